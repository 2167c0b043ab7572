import type { ApiServer } from "./server.ts";

const KEYS_PATH = "/openid/v1/jwks";

/**
 * The discovery document by which others verify this cluster's tokens (OpenID Connect Discovery
 * 1.0).
 */
export function openidConfiguration(server: ApiServer): object {
  const { issuer, keys } = server.tokens;
  const { advertiseAddress, advertisePort } = server.options;
  return {
    issuer,
    jwks_uri: `https://${advertiseAddress}:${advertisePort ?? 6443}${KEYS_PATH}`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: [...new Set(keys.verifiers.map((key) => key.algorithm))],
  };
}

/** The public keys of service account tokens (RFC 7517). */
export const openidKeys = (server: ApiServer): object => ({
  keys: server.tokens.keys.verifiers.map(({ id, algorithm, key }) => ({
    use: "sig",
    kid: id,
    alg: algorithm,
    ...key.export({ format: "jwk" }),
  })),
});
