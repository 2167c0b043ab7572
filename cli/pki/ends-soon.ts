import type { X509Certificate } from "node:crypto";
import { RENEW_DAYS } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";

/**
 * Whether a certificate is to be made again: it ends within `RENEW_DAYS`, and another of `ca` would
 * end later, as none outlives its CA.
 */
export function endsSoon(cert: X509Certificate, now_ms: number, ca?: X509Certificate): boolean {
  const soon_ms = now_ms + RENEW_DAYS * MS_PER_DAY;
  const caEnd_ms = ca?.validToDate.getTime() ?? Infinity;
  return cert.validToDate.getTime() < Math.min(soon_ms, caEnd_ms);
}
