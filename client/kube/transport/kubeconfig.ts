import type { KubeConnection } from "./credentials.ts";

/** The connection that a kubeconfig file's current context describes. Fails with BAD_KUBECONFIG. */
export async function kubeConnection(path: string): Promise<KubeConnection> {
  const { readKubeconfig } = await import("@raft2kube/pki/read-kubeconfig.ts");
  const { certFile, keyFile, ...access } = await readKubeconfig(path);
  const { server, ca, cert, key, token, tokenFile } = access;
  return {
    ...{ server, ca, cert, key, token: tokenFile === undefined ? token : { file: tokenFile } },
    ...(certFile && keyFile ? { pairFiles: { cert: certFile, key: keyFile } } : {}),
  };
}
