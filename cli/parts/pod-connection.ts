import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { KubeConnection } from "@raft2kube/client-kube/transport/credentials.ts";
import { CommandError } from "../terminal.ts";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Returns the connection of a pod's service account, by the files and variables that every pod has.
 * Throws CommandError `NO_API` elsewhere; `otherwise` is its remedy.
 */
export async function podConnection(otherwise: string): Promise<KubeConnection> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (host === undefined || port === undefined) {
    throw new CommandError("NO_API", "this is not a pod: KUBERNETES_SERVICE_HOST is not set", {
      remedy: otherwise,
    });
  }
  const ca = await readFile(join(ACCOUNT, "ca.crt"), "utf8");
  return { server: `https://${host}:${port}`, ca, token: { file: join(ACCOUNT, "token") } };
}
