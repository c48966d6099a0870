{
  networking.networkmanager.enable = true;
  age.secrets.wifi.file = ../../../secrets/wifi.age;
}
