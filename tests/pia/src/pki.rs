//! Authorities, certificates, and the key that signs lists.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::{RsaPrivateKey, RsaPublicKey};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate authority.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one. Its key is RSA with these bits, or an elliptic curve with 0.
    pub fn new(name: &str, bits: usize) -> Result<Self> {
        let key = match bits {
            0 => KeyPair::generate()?,
            bits => {
                let key = RsaPrivateKey::new(&mut OsRng, bits)?.to_pkcs8_der()?;
                KeyPair::try_from(key.as_bytes())?
            }
        };
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// The certificate of the authority.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What a server needs to have these names.
    pub fn server(&self, names: &[String], expired: bool) -> Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, names.first().cloned().unwrap_or_default());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2014, 4, 17);
        params.not_after = if expired { date_time_ymd(2015, 1, 1) } else { date_time_ymd(2134, 4, 12) };
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate.der().to_vec())], key)?;
        Ok(Arc::new(config))
    }
}

/// The key that lists are signed with.
pub struct ListKey(RsaPrivateKey);

impl ListKey {
    /// The key of this process: making one takes a while.
    pub fn new() -> Result<Self> {
        static KEY: Mutex<Option<RsaPrivateKey>> = Mutex::new(None);
        let mut key = crate::lock(&KEY);
        if let Some(key) = &*key {
            return Ok(Self(key.clone()));
        }
        Ok(Self(key.insert(RsaPrivateKey::new(&mut OsRng, 2048)?).clone()))
    }

    pub fn public_pem(&self) -> Result<String> {
        Ok(RsaPublicKey::from(&self.0).to_public_key_pem(LineEnding::LF)?)
    }

    /// A list as it is served: the line, an empty line, the signature in lines.
    pub fn sign(&self, line: &str) -> String {
        let key = SigningKey::<sha2::Sha256>::new(self.0.clone());
        let signature = STANDARD.encode(key.sign(line.as_bytes()).to_bytes());
        let lines: Vec<&str> =
            signature.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("{line}\n\n{}\n", lines.join("\n"))
    }
}
