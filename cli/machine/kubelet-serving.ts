import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { KubeletServerOptions } from "@raft2kube/kubelet/options.ts";
import { CERTIFICATE_DAYS, usablePair, writeKeyPair } from "../pki/key-pair.ts";
import { CommandError } from "../terminal.ts";
import type { KubeletConfig } from "./config/kubelet-config.ts";
import type { NodeNames } from "./kubelet-client.ts";
import { KUBELET_DIR } from "./layout.ts";

const PATHS = {
  cert: join(KUBELET_DIR, "pki", "kubelet.crt"),
  key: join(KUBELET_DIR, "pki", "kubelet.key"),
};
const PORT = 10_250;

/** The kubelet's own API, with a certificate that it made itself, as upstream's. */
export async function kubeletServer(
  config: KubeletConfig,
  node: NodeNames,
  now_ms: number,
): Promise<KubeletServerOptions | undefined> {
  const ca = config.authentication?.x509?.clientCAFile;
  if (ca === undefined) {
    if (!config.address && !config.port) return undefined;
    const text = "address and port have no effect without authentication.x509.clientCAFile";
    const remedy = "name the CA whose clients may call the kubelet, or take address and port away";
    throw new CommandError("CONFIG", `KubeletConfiguration: ${text}`, { remedy });
  }
  return {
    listen: { host: config.address ?? "0.0.0.0", port: config.port ?? PORT },
    ...(await readServing(node, now_ms)),
    clientCa: await readFile(ca, "utf8"),
  };
}

/**
 * The pair by which the kubelet serves: self-signed, as upstream's without others. It is made again
 * when it ends soon, or has lost a half.
 */
export async function readServing(
  { nodeName, nodeAddress }: NodeNames,
  now_ms: number,
  paths = PATHS,
): Promise<{ cert: string; key: string }> {
  const found = await usablePair(paths, now_ms);
  if (found !== undefined) return found;
  const { createCa } = await import("@raft2kube/pki/certificate.ts");
  const names = { commonName: nodeName, dnsNames: [nodeName], ipAddresses: [nodeAddress] };
  const pair = await createCa({ ...names, usages: ["server"], days: CERTIFICATE_DAYS, now_ms });
  await mkdir(dirname(paths.key), { recursive: true, mode: 0o700 });
  return writeKeyPair(paths, pair);
}
