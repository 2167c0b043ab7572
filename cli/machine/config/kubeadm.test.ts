import { zeroStructWithNulls } from "@raft2kube/api/codec/json.ts";
import { expect, test } from "vitest";
import { checked, type Fields, formsOf, type Kind } from "./fields.ts";
import { parseKubeadmConfig } from "./kubeadm.ts";

const parse = (text: string) => parseKubeadmConfig(text, "file.yaml");
const document = (kind: string, rest: string, version = "kubeadm.k8s.io/v1beta4") =>
  `apiVersion: ${version}\nkind: ${kind}\n${rest}\n`;

test("no file has kubeadm's defaults", () => {
  const { cluster, init } = parse("");
  expect(cluster).toMatchObject({
    clusterName: "kubernetes",
    imageRepository: "registry.k8s.io",
    networking: { dnsDomain: "cluster.local", serviceSubnet: "10.96.0.0/12" },
    etcd: { local: { dataDir: "/var/lib/etcd" } },
  });
  expect(init.localAPIEndpoint.bindPort).toBe(6443);
});

test.each(Object.keys(formsOf()) as Kind[])(
  "a %s is accepted as Go writes it without values",
  (kind) => {
    const fields = zeroStructWithNulls<Fields>(formsOf()[kind].type);
    expect(() => checked("file", fields, kind)).not.toThrow();
  },
);

test("documents of one file are merged with the defaults", () => {
  const { cluster, init, kubelet } = parse(
    [
      document("ClusterConfiguration", "networking: { podSubnet: 10.1.0.0/16 }"),
      document("InitConfiguration", "localAPIEndpoint: { advertiseAddress: 10.0.0.1 }"),
      document("KubeletConfiguration", "maxPods: 20", "kubelet.config.k8s.io/v1beta1"),
    ].join("---\n"),
  );
  expect(cluster.networking).toEqual({
    dnsDomain: "cluster.local",
    podSubnet: "10.1.0.0/16",
    serviceSubnet: "10.96.0.0/12",
  });
  expect(init.localAPIEndpoint).toEqual({ advertiseAddress: "10.0.0.1", bindPort: 6443 });
  expect(kubelet["maxPods"]).toBe(20);
});

/** Documents that are refused, by default ClusterConfigurations, each with the reason below it. */
const REFUSED = `
etcd: { external: { timeout: 1s } }
  the field etcd.external.timeout is not supported
etcd: { external: { endpoints: ['http://a:1'], httpEndpoints: [a] } }
  etcd.external.httpEndpoints a: no URL with port
etcd: { external: { endpoints: [''] } }
  etcd.external.endpoints : no URL with port
etcd: { external: { endpoints: [a] } }
  etcd.external.endpoints a: no URL with port
etcd: { external: { endpoints: [], caFile: /ca.crt } }
  endpoints: at least one is needed
etcd: { external: { endpoints: ['http://a:1'], caFile: ca.crt } }
  etcd.external.caFile ca.crt: not an absolute path
etcd: { external: { endpoints: ['http://a:1'] }, local: { dataDir: /d } }
  etcd.external excludes etcd.local
etcd: { external: { endpoints: ['http://a:1'], keyFile: /k } }
  certFile and keyFile belong together
apiServer: { extraEnvs: [{ name: a }] }
  the field apiServer.extraEnvs is not supported
apiServer: { extraArgs: [{ name: v, value: a }, { name: v, values: [a] }] }
  the field apiServer.extraArgs[1].values is not supported
apiServer.extraArgs: [{ name: v, value: a }]
  the field apiServer.extraArgs is not supported
featureGates: { OneProcessControlPlane: true, EtcdLearnerMode: true }
  the field featureGates.EtcdLearnerMode is not supported
networking: { dns.domain: a }
  the field networking.dns.domain is not supported
apiServer: { extraArgs: { v: a } }
  cannot unmarshal object
networking: { podSubnet: none }
  networking.podSubnet none: not an IPv4 range
networking: { podSubnet: 10.96.1.0/24 }
  overlaps serviceSubnet
kubernetesVersion: v1.20.0
  this r2k is v1.36.0 only
InitConfiguration nodeRegistration: { criSocket: unix:///var/run/dockershim.sock }
  the product's own
InitConfiguration nodeRegistration: { taints: [{ key: a, effects: NoSchedule }] }
  nodeRegistration.taints[0].effects
InitConfiguration bootstrapTokens: [{ usages: [sign] }]
  bootstrapTokens.usages sign: neither signing nor
InitConfiguration bootstrapTokens: [{ groups: ["system:masters"] }]
  bootstrapTokens.groups system:masters: no group
InitConfiguration bootstrapTokens: [{ expires: soon }]
  parsing time "soon"
UpgradeConfiguration
  UpgradeConfiguration of kubeadm.k8s.io/v1beta4 is not supported
`;
const ROW = /^(?:(\w+Configuration) ?)?(.*)\n {2}(.*)$/gm;

test.each(
  [...REFUSED.trim().matchAll(ROW)].map(([, kind = "ClusterConfiguration", text = "", says]) => {
    return [kind, text, says];
  }),
)("%s %s is refused: %s", (kind = "", text = "", says = "") => {
  expect(() => parse(document(kind, text))).toThrow(says);
});

test("a receiver of traces that is none is refused with the whole file", () => {
  const text = "tracing: { endpoint: 'http://collector:4317' }";
  const file = document("KubeletConfiguration", text, "kubelet.config.k8s.io/v1beta1");
  expect(() => parse(file)).toThrow("tracing.endpoint: not an address of a receiver");
});

test("a second document of a kind is refused, as by kubeadm", () => {
  const init = document("InitConfiguration", "skipPhases: [addon]");
  expect(() => parse(`${init}---\n${init}`)).toThrow("InitConfiguration is there twice");
});

test("flags come before the file, and are checked as it is", () => {
  const file = document("ClusterConfiguration", "networking: { podSubnet: 10.1.0.0/16 }");
  const networking = { podSubnet: "10.2.0.0/16", dnsDomain: undefined };
  const parsed = (of: object) =>
    parseKubeadmConfig(file, "file.yaml", false, { ClusterConfiguration: { networking: of } });
  expect(parsed(networking).cluster.networking).toEqual({
    dnsDomain: "cluster.local",
    podSubnet: "10.2.0.0/16",
    serviceSubnet: "10.96.0.0/12",
  });
  expect(() => parsed({ serviceSubnet: "none" })).toThrow("serviceSubnet none: not an IPv4 range");
});

test("an older version is refused with its remedy", () => {
  const old = document("ClusterConfiguration", "", "kubeadm.k8s.io/v1beta3");
  expect(() => parse(old)).toThrow(
    expect.objectContaining({
      remedy: expect.stringContaining("kubeadm.k8s.io/v1beta4") as string,
    }) as Error,
  );
});

test("how kubeadm makes certificates is refused of a new cluster, not of one that runs", () => {
  const text = document("ClusterConfiguration", "encryptionAlgorithm: RSA-2048");
  expect(() => parse(text)).toThrow("encryptionAlgorithm RSA-2048: ECDSA-P256 only");
  const { cluster } = parseKubeadmConfig(text, "kubeadm-config", true);
  expect(cluster.encryptionAlgorithm).toBe("RSA-2048");
});

test("an unknown cgroup driver of a kubelet is refused, fields that are not set are not", () => {
  const kubelet = (text: string) =>
    document("KubeletConfiguration", text, "kubelet.config.k8s.io/v1beta1");
  expect(() => parse(kubelet("cgroupDriver: cgroups"))).toThrow(/cgroupDriver cgroups: neither/);
  expect(() => parse(kubelet("memorySwap: {}\nstreamingConnectionIdleTimeout: 0s"))).not.toThrow();
});

test("another runtime of a kubelet is refused when the file is read", () => {
  const kubelet = (endpoint: string) =>
    document(
      "KubeletConfiguration",
      `containerRuntimeEndpoint: ${endpoint}`,
      "kubelet.config.k8s.io/v1beta1",
    );
  expect(() => parse(kubelet("unix:///run/containerd/containerd.sock"))).toThrow(
    "a machine's runtime is the product's own",
  );
  expect(() => parse(kubelet('""'))).not.toThrow();
});

test.each(["InitConfiguration", "JoinConfiguration"])(
  "an imagePullPolicy of %s that has no effect is refused",
  (kind) => {
    const policy = (of: string) => document(kind, `nodeRegistration: { imagePullPolicy: ${of} }`);
    expect(() => parse(policy("Always"))).toThrow("nodeRegistration.imagePullPolicy Always");
    expect(() => parse(policy("IfNotPresent"))).not.toThrow();
  },
);
