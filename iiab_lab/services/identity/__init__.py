"""The issuer of the platform's tokens: OAuth 2.0 client credentials in, JWTs out (RFC 6749 §4.4, RFC 9068)."""
