import { expect, test } from "vitest";
import { API_LEVEL } from "../../version.ts";
import { parseKubeadmConfig } from "./kubeadm.ts";
import { migrateConfig } from "./migrate.ts";

const migrate = (text: string) => parseKubeadmConfig(migrateConfig(text, "old.yaml"), "new.yaml");

test("v1beta3: maps of flags become lists, documents of others stay", () => {
  const { cluster, init, kubelet } = migrate(`
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
kubernetesVersion: v1.28.0
apiServer: { extraArgs: { v: 2, audit-log-path: /a }, certSANs: [a.example] }
etcd: { local: { dataDir: /data, extraArgs: { snapshot-count: "5" } } }
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
nodeRegistration: { kubeletExtraArgs: { node-labels: a=b } }
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 20
`);
  const args = [
    { name: "v", value: "2" },
    { name: "audit-log-path", value: "/a" },
  ];
  expect(cluster.apiServer).toEqual({ extraArgs: args, certSANs: ["a.example"] });
  expect(cluster.etcd.local.extraArgs).toEqual([{ name: "snapshot-count", value: "5" }]);
  expect(init.nodeRegistration.kubeletExtraArgs).toEqual([{ name: "node-labels", value: "a=b" }]);
  expect([cluster.kubernetesVersion, kubelet["maxPods"]]).toEqual([API_LEVEL, 20]);
});

test("MasterConfiguration becomes a ClusterConfiguration and an InitConfiguration", () => {
  const { cluster, init } = migrate(`
apiVersion: kubeadm.k8s.io/v1alpha2
kind: MasterConfiguration
kubernetesVersion: v1.11.0
api: { advertiseAddress: 10.0.0.1, bindPort: 7443, controlPlaneEndpoint: "a.example:7443" }
etcd: { local: { dataDir: /data } }
networking: { podSubnet: 10.1.0.0/16 }
apiServerExtraArgs: { v: "2" }
token: abcdef.0123456789abcdef
tokenTTL: 1h0m0s
nodeName: first
`);
  expect(cluster).toMatchObject({
    controlPlaneEndpoint: "a.example:7443",
    etcd: { local: { dataDir: "/data" } },
    networking: { podSubnet: "10.1.0.0/16" },
    apiServer: { extraArgs: [{ name: "v", value: "2" }] },
  });
  expect(init).toMatchObject({
    localAPIEndpoint: { advertiseAddress: "10.0.0.1", bindPort: 7443 },
    nodeRegistration: { name: "first" },
    bootstrapTokens: [{ token: "abcdef.0123456789abcdef", ttl: "1h0m0s" }],
  });
});

const master = (rest: string) =>
  `apiVersion: kubeadm.k8s.io/v1alpha2\nkind: MasterConfiguration\n${rest}\n`;

test.each([
  ["a field without a place", master("kubeProxy: { config: 1 }"), /the field kubeProxy is unknown/],
  ["a shim of docker's", master("criSocket: /var/run/dockershim.sock"), /the product's own/],
  ["an image of etcd's", master("etcd: { local: { image: a } }"), /etcd.local.image is not/],
  [
    "a field of v1beta3",
    "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n" +
      "apiServer: { timeoutForControlPlane: 4m }",
    /timeoutForControlPlane is not supported/,
  ],
])("%s is refused by its name", (_, text, says) => {
  expect(() => migrate(text)).toThrow(says);
});
