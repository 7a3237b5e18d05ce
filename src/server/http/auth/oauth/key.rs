//! The issuer's keys (RFC 7517): those that may verify signatures, each with the algorithms that its type and its own words allow.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// How many keys of a set are looked at.
const MAX_KEYS: usize = 100;

/// The smallest RSA modulus that counts, in bytes.
const MIN_MODULUS: usize = 256;

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// A set of keys, as it is served.
#[derive(Debug, Deserialize)]
pub(super) struct ToldKeys {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct ToldKey {
    kty: String,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A key that verifies.
#[derive(Debug, Clone)]
pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// The keys of an issuer.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(Vec<Key>);

/// The algorithm of that name, if it is one that is taken: asymmetric ones alone.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" | "Ed25519" => Algorithm::EdDSA,
        _ => return None,
    })
}

impl Keys {
    /// The keys of a set that can be used; others are passed over, as RFC 7517 (section 5) wants it.
    pub(super) fn of(told: ToldKeys) -> Self {
        let told = told.keys.into_iter().take(MAX_KEYS);
        Self(
            told.filter_map(|key| serde_json::from_value(key).ok().and_then(usable))
                .collect(),
        )
    }

    /// Whether none can be used.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that a token names, for the algorithm that it names. A token without a name of a key means the only one.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let fits = |key: &&Key| key.algorithms.contains(&algorithm) && (id.is_none() || key.id.as_deref() == id);
        let mut found = self.0.iter().filter(fits);
        match (found.next(), found.next(), id) {
            (Some(only), None, _) => Some(&only.key),
            (Some(first), Some(_), Some(_)) => Some(&first.key),
            _ => None,
        }
    }

    /// Whether there is a key of that name.
    pub(super) fn names(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.0.iter().any(|key| key.id.as_deref() == Some(id)))
    }
}

fn usable(told: ToldKey) -> Option<Key> {
    let verifies = told.used_for.as_deref().is_none_or(|used| used == "sig")
        && told
            .key_ops
            .as_ref()
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !verifies {
        return None;
    }
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
    let (of_type, key): (&[Algorithm], DecodingKey) = match (told.kty.as_str(), told.crv.as_deref()) {
        ("RSA", _) => {
            let modulus = bytes(&told.n)?;
            let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
            if significant < MIN_MODULUS {
                return None;
            }
            (&RSA, DecodingKey::from_rsa_raw_components(&modulus, &bytes(&told.e)?))
        }
        ("EC", Some("P-256")) => (&[Algorithm::ES256], point(&bytes(&told.x)?, &bytes(&told.y)?, 32)?),
        ("EC", Some("P-384")) => (&[Algorithm::ES384], point(&bytes(&told.x)?, &bytes(&told.y)?, 48)?),
        ("OKP", Some("Ed25519")) => {
            let key = bytes(&told.x).filter(|key| key.len() == 32)?;
            (&[Algorithm::EdDSA], DecodingKey::from_ed_der(&key))
        }
        _ => return None,
    };
    let algorithms = match told.alg.as_deref() {
        None => of_type.to_vec(),
        Some(name) => vec![algorithm(name).filter(|named| of_type.contains(named))?],
    };
    Some(Key {
        id: told.kid,
        algorithms,
        key,
    })
}

/// A point of a curve, uncompressed.
fn point(x: &[u8], y: &[u8], length: usize) -> Option<DecodingKey> {
    if x.len() != length || y.len() != length {
        return None;
    }
    let point = [&[4], x, y].concat();
    Some(DecodingKey::from_ec_der(&point))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(told: Value) -> Keys {
        Keys::of(serde_json::from_value(json!({ "keys": told })).unwrap())
    }

    #[test]
    fn key_verifies_with_the_algorithms_of_its_type_and_its_own_words_alone() {
        let n = URL_SAFE_NO_PAD.encode([0xff; 256]);
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let rsa = |more: Value| {
            let mut key = json!({"kty": "RSA", "kid": "a", "n": n, "e": "AQAB"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            keys(json!([key]))
        };
        let finds = |keys: &Keys, algorithm| keys.find(Some("a"), algorithm).is_some();
        let any = rsa(json!({}));
        assert!(RSA.iter().all(|algorithm| finds(&any, *algorithm)));
        for other in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert!(!finds(&any, other), "{other:?}");
        }
        let bound = rsa(json!({"alg": "PS256", "use": "sig", "key_ops": ["verify"]}));
        assert!(finds(&bound, Algorithm::PS256) && !finds(&bound, Algorithm::RS256));
        for unusable in [
            json!({"use": "enc"}),
            json!({"key_ops": ["encrypt"]}),
            json!({"alg": "HS256"}),
            json!({"alg": "ES256"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"n": URL_SAFE_NO_PAD.encode([0xff; 128])}),
            json!({"kty": "oct", "k": "c2VjcmV0"}),
        ] {
            assert!(rsa(unusable.clone()).is_empty(), "{unusable}");
        }
        let ec = keys(json!([{"kty": "EC", "crv": "P-256", "kid": "a", "x": x, "y": x}]));
        assert!(finds(&ec, Algorithm::ES256) && !finds(&ec, Algorithm::ES384));
        let ed = keys(json!([{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x}]));
        assert!(finds(&ed, Algorithm::EdDSA) && !finds(&ed, Algorithm::ES256));
    }

    #[test]
    fn token_without_a_key_id_means_the_only_key() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let ed = |kid: &str| json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x});
        assert!(keys(json!([ed("a")])).find(None, Algorithm::EdDSA).is_some());
        assert!(keys(json!([ed("a"), ed("b")])).find(None, Algorithm::EdDSA).is_none());
        assert!(
            keys(json!([ed("a"), ed("b")]))
                .find(Some("c"), Algorithm::EdDSA)
                .is_none()
        );
    }
}
