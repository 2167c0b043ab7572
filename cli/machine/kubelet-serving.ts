import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readKeyPair } from "../pki/key-pair.ts";
import { KUBELET_DIR } from "./layout.ts";

const PATHS = {
  cert: join(KUBELET_DIR, "pki", "kubelet.crt"),
  key: join(KUBELET_DIR, "pki", "kubelet.key"),
};
const DAYS = 365;

/** The pair by which the kubelet serves: self-signed, made once, as upstream's without others. */
export async function readServing(
  { nodeName, nodeAddress }: { readonly nodeName: string; readonly nodeAddress: string },
  now_ms: number,
): Promise<{ cert: string; key: string }> {
  const found = await readKeyPair(PATHS.cert, PATHS.key, (_, other) => {
    return `remove ${other} too: both are made again`;
  });
  if (found !== undefined) return found;
  const { createCa, issueCertificate } = await import("@raft2kube/pki/certificate.ts");
  const ca = await createCa({ commonName: `${nodeName}-ca`, days: DAYS, now_ms });
  const pair = await issueCertificate(ca, {
    commonName: nodeName,
    dnsNames: [nodeName],
    ipAddresses: [nodeAddress],
    usages: ["server"],
    days: DAYS,
  }, now_ms);
  const cert = `${pair.cert}${ca.cert}`;
  await mkdir(dirname(PATHS.key), { recursive: true, mode: 0o700 });
  await replaceFile(PATHS.key, pair.key, { mode: 0o600 });
  await replaceFile(PATHS.cert, cert, { mode: 0o644 });
  return { cert, key: pair.key };
}
