import koffi from "../syscall/koffi.ts";

/** Certificates between a peer's own and a trusted CA. */
export const INTERMEDIATES_MAX = 3;

/**
 * Bounds the chains of certificates that OpenSSL verifies in this process. It verifies those of
 * strangers too, of up to 100 certificates, since Node decides afterwards: 70 in one handshake,
 * each with a public exponent of 3,072 bits, are 0.4 s of one turn. Node has no option for it, and
 * the parameters that OpenSSL calls `default` apply wherever no others are set.
 */
export function boundCertificateChains(): void {
  const openssl = koffi.load(null);
  const create = openssl.func("void *X509_VERIFY_PARAM_new()");
  const lookUp = openssl.func("void *X509_VERIFY_PARAM_lookup(const char *name)");
  const copy = openssl.func("int X509_VERIFY_PARAM_set1(void *to, void *from)");
  const setName = openssl.func("int X509_VERIFY_PARAM_set1_name(void *param, const char *name)");
  const setDepth = openssl.func("void X509_VERIFY_PARAM_set_depth(void *param, int depth)");
  const add = openssl.func("int X509_VERIFY_PARAM_add0_table(void *param)");
  const param = create();
  copy(param, lookUp("default"));
  setName(param, "default");
  setDepth(param, INTERMEDIATES_MAX);
  add(param);
}
