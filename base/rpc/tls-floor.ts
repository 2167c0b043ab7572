/** TLS 1.3's own suites: OpenSSL turns TLS 1.3 off for a list of ciphers without one. */
export const TLS13_SUITES =
  "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/**
 * The least that a TLS server takes unless its operator says otherwise: TLS 1.2 with forward
 * secrecy and authenticated encryption (RFC 9325, 4.2). Go's servers refuse the exchange of keys
 * by RSA too; Node's own list has it.
 */
export const TLS_FLOOR = {
  minVersion: "TLSv1.2",
  ciphers: [
    TLS13_SUITES,
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
  ].join(":"),
} as const;
