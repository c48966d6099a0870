{
  fry = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsm3UYiDp8ceatKtANk7ia0AtMWUb3QQIxHLLa8SmA9 root@fry";
  hermes = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVVvKbXcXZK4YA1bpQ2swmOTsfAV6eBsh+4N8/p12XX root@hermes";
  kif = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvyacdsYrBTKite4rJeMb6dWF+ROiiDEkpDRTllOoJm root@kif";
  safe = "age1a8n4glqv9zcmuapkj73axj8yaackup88z4pt4v3qg4hvazhxh4zq928u8j";
}
