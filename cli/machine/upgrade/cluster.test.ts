import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { expect, test } from "vitest";
import { storedConfig } from "./cluster.ts";

test("a worker takes a cluster whose certificates are made otherwise", async () => {
  const ClusterConfiguration =
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n" +
    "kubernetesVersion: v1.36.0\nencryptionAlgorithm: RSA-2048\n";
  const get = () => Promise.resolve({ data: { ClusterConfiguration, kubelet: "{}" } });
  const client = { resource: () => ({ get }) } as unknown as KubeClient;
  expect((await storedConfig(client, false)).version).toBe("v1.36.0");
  await expect(storedConfig(client, true)).rejects.toThrow("encryptionAlgorithm RSA-2048");
});
