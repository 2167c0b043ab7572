import { stringify } from "yaml";

/** How a user reaches a cluster; certificates are PEM texts, or paths in `...File`. */
export interface KubeconfigAccess {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly token?: string;
}

const base64 = (text: string | undefined) => text && Buffer.from(text).toString("base64");

/** A kubeconfig with the names that kubeadm gives: the context is `USER@CLUSTER`. */
export function kubeconfigText(cluster: string, user: string, access: KubeconfigAccess): string {
  const context = `${user}@${cluster}`;
  const credentials = {
    "client-certificate-data": base64(access.cert),
    "client-key-data": base64(access.key),
    "client-certificate": access.certFile,
    "client-key": access.keyFile,
    token: access.token,
  };
  return stringify({
    apiVersion: "v1",
    clusters: [{
      cluster: { "certificate-authority-data": base64(access.ca), server: access.server },
      name: cluster,
    }],
    contexts: [{ context: { cluster, user }, name: context }],
    "current-context": context,
    kind: "Config",
    users: [{ name: user, user: credentials }],
  });
}
