{
  key = "ssh-ed25519 AAAA"
}
