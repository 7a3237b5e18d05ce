//! What verifies signatures for `jsonwebtoken`: ring, and asymmetric algorithms alone. Nothing is signed.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, UnparsedPublicKey, VerificationAlgorithm,
};

/// Makes it the process's. A second time changes nothing.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| unsupported(),
        rsa_pub_components_from_public_key: |_| unsupported(),
        ec_pub_components_from_private_key: |_, _| unsupported(),
        ed_pub_components_from_private_key: |_, _| unsupported(),
        compute_digest: |_, _| unsupported(),
    },
};

fn unsupported<T>() -> Result<T> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    unsupported()
}

/// How signatures of an algorithm are verified.
enum Checks {
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}

struct RingVerifier {
    algorithm: Algorithm,
    checks: Checks,
    key: DecodingKeyKind,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    // A key of one family is none for an algorithm of another.
    if algorithm.family() != key.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let checks = match algorithm {
        Algorithm::RS256 => Checks::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Checks::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Checks::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Checks::Rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Checks::Rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Checks::Rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Checks::Other(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Checks::Other(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Checks::Other(&ED25519),
        _ => return unsupported(),
    };
    Ok(Box::new(RingVerifier {
        algorithm: *algorithm,
        checks,
        key: key.kind().clone(),
    }))
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let verified = match (&self.checks, &self.key) {
            (Checks::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                PublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Checks::Other(algorithm), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            _ => Err(ring::error::Unspecified),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
