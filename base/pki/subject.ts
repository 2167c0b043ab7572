import type { X509Certificate } from "node:crypto";
// Imported before toLegacyObject is called: otherwise Node 24 loads the parts of tls in another
// order, after which no TLS server can be made in the process ("tls.createSecureContext is not a
// function").
import "node:tls";

/** Returns the common names and organizations of a certificate's subject, as servers read them. */
export function subjectOf(cert: X509Certificate): {
  commonNames: readonly string[];
  organizations: readonly string[];
} {
  const { subject = {} } = cert.toLegacyObject();
  const { CN, O }: { CN?: string | string[]; O?: string | string[] } = subject;
  return { commonNames: [CN ?? ""].flat(), organizations: [O ?? []].flat() };
}
