use super::*;
use crate::failure::TlsFailure;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

const NAME: &str = "erp.example";

/// A self-signed certificate of [`NAME`].
fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> (CertificateDer<'static>, Issuer<'static, KeyPair>) {
    let mut parameters = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, NAME);
    change(&mut parameters);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.der().clone(), Issuer::new(parameters, key))
}

fn as_authority(parameters: &mut CertificateParams) {
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn verify(wanted: Wanted, certificate: &CertificateDer<'_>, name: &str) -> Result<(), Error> {
    let verifier = Verifier { wanted, provider: provider() };
    verifier.verify_server_cert(certificate, &[], &ServerName::try_from(name).unwrap(), &[], UnixTime::now()).map(drop)
}

fn signed_by(authority: &CertificateDer<'static>, check_name: bool) -> Wanted {
    let authorities = vec![authority.clone()];
    Wanted::Signed { by_authorities: by_authorities(authorities.clone()).unwrap(), authorities, check_name }
}

#[test]
fn a_self_signed_certificate_is_its_own_authority_for_its_name_and_in_its_time() {
    for is_authority in [true, false] {
        let (certificate, _) = self_signed(|parameters| {
            if is_authority {
                as_authority(parameters)
            }
        });
        verify(signed_by(&certificate, true), &certificate, NAME).unwrap();
        verify(signed_by(&certificate, false), &certificate, "other.example").unwrap();
        let error = verify(signed_by(&certificate, true), &certificate, "other.example").unwrap_err();
        assert!(error.to_string().contains("and not for '"), "{error}");
        let (old, _) = self_signed(|parameters| {
            if is_authority {
                as_authority(parameters);
            }
            (parameters.not_before, parameters.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        });
        let error = verify(signed_by(&old, true), &old, NAME).unwrap_err();
        assert!(error.to_string().contains("expired"), "{error}");
    }
}

#[test]
fn what_is_not_trusted_is_said_in_words_with_its_fingerprint() {
    let (authority, issuer) = self_signed(as_authority);
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap().der().clone();
    verify(signed_by(&authority, true), &signed, NAME).unwrap();
    let (usual, _) = self_signed(as_authority);
    let (plain, _) = self_signed(|_| {});
    for (certificate, expected) in
        [(&usual, "is self-signed"), (&plain, "is self-signed"), (&signed, "from an authority that is not trusted")]
    {
        let (stranger, _) = self_signed(|parameters| {
            as_authority(parameters);
            parameters.distinguished_name.push(DnType::CommonName, "stranger");
        });
        let error = verify(signed_by(&stranger, true), certificate, NAME).unwrap_err();
        let in_io = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        let text = TlsFailure::in_error(&in_io).unwrap().to_string();
        assert!(text.contains(expected) && text.contains("fingerprint is sha256:"), "{text}");
    }
}

#[test]
fn a_named_certificate_is_trusted_whatever_it_says_and_no_other() {
    let (old, _) = self_signed(|parameters| {
        (parameters.not_before, parameters.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    let (other, _) = self_signed(as_authority);
    verify(Wanted::Certificate(sha256_of(&old)), &old, "other.example").unwrap();
    let error = verify(Wanted::Certificate(sha256_of(&old)), &other, NAME).unwrap_err();
    assert!(TlsFailure::in_error(&error).unwrap().to_string().contains("not the one that is named here"));
}
