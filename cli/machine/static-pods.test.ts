import { expect, test } from "vitest";
import { componentsIn } from "../parts/components.ts";
import { parseKubeadmConfig } from "./config/kubeadm.ts";
import {
  CONTROL_PLANE,
  checkExtraArgs,
  type StaticPod,
  staticPod,
  staticPods,
  withArgs,
} from "./static-pods.ts";

const clusterOf = (text: string) =>
  parseKubeadmConfig(
    `apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n${text}\n`,
    "file",
  ).cluster;
const machine = { nodeName: "cp-1", address: "10.0.0.1", bindPort: 6443, signs: true };

interface Pod {
  metadata: { labels: { component: string } };
  spec: { containers: [{ image: string; command: string[]; volumeMounts: { name: string }[] }] };
}

type Probes = Record<"livenessProbe" | "startupProbe", { httpGet: { path: string } }>;

const podOf = async (name: StaticPod, text = "") =>
  staticPod(name, { cluster: clusterOf(text), ...machine }) as unknown as Pod;

test.each(["etcd", ...CONTROL_PLANE] as const)("the manifest of %s is filled in", async (name) => {
  const pod = await podOf(name);
  expect(JSON.stringify(pod)).not.toContain("${");
  expect(pod.metadata.labels.component).toBe(name);
  const [{ image, command }] = pod.spec.containers;
  expect(image).toMatch(new RegExp(`^registry.k8s.io/${name}:`));
  expect(command[0]).toBe(name);
  // The flags that kubeadm writes are flags of the program.
  const args = command.slice(1).map((word) => {
    const [, key = "", value = ""] = /^--([^=]+)=(.*)$/.exec(word) ?? [];
    return { name: key, value };
  });
  const section = {
    etcd: "etcd: { local: ",
    "kube-apiserver": "apiServer: ",
    "kube-controller-manager": "controllerManager: ",
    "kube-scheduler": "scheduler: ",
  }[name];
  const end = name === "etcd" ? " } }" : " }";
  const text = `${section}{ extraArgs: ${JSON.stringify(args)}${end}`;
  expect(() => checkExtraArgs(clusterOf(text))).not.toThrow();
});

test("a tenant's Service takes no address that is not the cluster's", async () => {
  const [{ command }] = (await podOf("kube-apiserver", "")).spec.containers;
  const [plugins] = command.filter((word) => word.startsWith("--enable-admission-plugins="));
  expect(plugins?.split(/[=,]/)).toContain("DenyServiceExternalIPs");
});

test("extraArgs replace flags of their name and add others, extraVolumes are mounted", async () => {
  const [{ command, volumeMounts }] = (
    await podOf(
      "kube-apiserver",
      `
apiServer:
  extraArgs:
    - { name: enable-admission-plugins, value: "NodeRestriction,AlwaysPullImages" }
    - { name: max-requests-inflight, value: "10" }
  extraVolumes: [{ name: audit, hostPath: /var/log/a, mountPath: /var/log/a }]`,
    )
  ).spec.containers;
  const plugins = command.filter((word) => word.startsWith("--enable-admission-plugins="));
  expect(plugins).toEqual(["--enable-admission-plugins=NodeRestriction,AlwaysPullImages"]);
  expect(command).toContain("--max-requests-inflight=10");
  expect(volumeMounts.map(({ name }) => name)).toContain("audit");
});

test("a store that others run is named, and the folders of its files are mounted", async () => {
  const text = `etcd: { external: { endpoints: ["https://a:2379", "https://[fd00::1]:2379"],
    caFile: /etc/etcd/ca.crt, certFile: /etc/kubernetes/pki/c.crt, keyFile: /etc/etcd/c.key } }`;
  const [{ command, volumeMounts }] = (await podOf("kube-apiserver", text)).spec.containers;
  expect(command.filter((word) => word.startsWith("--etcd-"))).toEqual([
    "--etcd-cafile=/etc/etcd/ca.crt",
    "--etcd-certfile=/etc/kubernetes/pki/c.crt",
    "--etcd-keyfile=/etc/etcd/c.key",
    "--etcd-servers=https://a:2379,https://[fd00::1]:2379",
  ]);
  expect(volumeMounts).toContainEqual({
    name: "etcd-certs-0",
    mountPath: "/etc/etcd",
    readOnly: true,
  });
  expect(volumeMounts.map(({ name }) => name)).toEqual(["k8s-certs", "etcd-certs-0"]);
});

test("one process has every component's flags, and what each of them mounts once", async () => {
  const shared = "{ name: zone, hostPath: /etc/zone, mountPath: /etc/zone }";
  const text = `featureGates: { OneProcessControlPlane: true }
apiServer: { extraVolumes: [${shared}] }
scheduler:
  extraArgs: [{ name: bind-address, value: "0.0.0.0" }]
  extraVolumes: [${shared}, { name: own, hostPath: /etc/own, mountPath: /etc/own }]`;
  expect(staticPods(clusterOf(text))).toEqual(["control-plane"]);
  const [{ image, command, volumeMounts }] = (await podOf("control-plane", text)).spec.containers;
  expect(image).toMatch(/^registry.k8s.io\/kube-apiserver:/);
  expect(command.slice(0, 2)).toEqual(["r2k", "components"]);
  const given = componentsIn(command.slice(2));
  for (const name of ["etcd", ...CONTROL_PLANE] as const) {
    const [{ command: alone }] = (await podOf(name, text)).spec.containers;
    expect([name, ...given.get(name)!]).toEqual(alone);
  }
  expect(given.get("kube-scheduler")).toContain("--bind-address=0.0.0.0");
  const names = "k8s-certs controller-manager scheduler etcd-data zone own".split(" ");
  expect(volumeMounts.map(({ name }) => name)).toEqual(names);
});

test.each([
  ["name zone", "{ name: zone, hostPath: /srv/zone, mountPath: /srv/zone }"],
  ["mountPath /etc/zone", "{ name: other, hostPath: /srv/zone, mountPath: /etc/zone }"],
  ["name k8s-certs", "{ name: k8s-certs, hostPath: /srv/certs, mountPath: /srv/certs }"],
])("volumes of one process that exclude each other are refused: %s", async (twice, volume) => {
  const text = `featureGates: { OneProcessControlPlane: true }
apiServer: { extraVolumes: [{ name: zone, hostPath: /etc/zone, mountPath: /etc/zone }] }
scheduler: { extraVolumes: [${volume}] }`;
  await expect(podOf("control-plane", text)).rejects.toThrow(
    `extraVolumes: ${twice} is there twice`,
  );
});

test("one process is not ended for a store without a majority", async () => {
  const [container] = (await podOf("control-plane")).spec.containers;
  const { livenessProbe, startupProbe } = container as unknown as Probes;
  for (const { httpGet } of [livenessProbe, startupProbe]) {
    const { searchParams } = new URL(httpGet.path, "https://a");
    expect(searchParams.getAll("exclude")).toContain("etcd");
  }
});

test("one process beside a store of others has no etcd", async () => {
  const text = `featureGates: { OneProcessControlPlane: true }
etcd: { external: { endpoints: ["https://a:2379"] } }`;
  const [{ command, volumeMounts }] = (await podOf("control-plane", text)).spec.containers;
  const given = componentsIn(command.slice(2));
  expect([...given.keys()]).toEqual([...CONTROL_PLANE]);
  expect(given.get("kube-apiserver")).toContain("--etcd-servers=https://a:2379");
  expect(volumeMounts.map(({ name }) => name)).not.toContain("etcd-data");
});

test.each([
  ["a flag without component", ["--v=1"]],
  ["a component twice", ["etcd", "etcd"]],
  ["another word", ["etcd", "kube-proxy"]],
])("components by hand: %s is refused", (_, words) => {
  expect(() => componentsIn(words)).toThrow(`"${words.at(-1)}" is no component, or is there twice`);
});

test("a flag that a component does not have is refused before anything is written", () => {
  const cluster = clusterOf('scheduler: { extraArgs: [{ name: profiling, value: "true" }] }');
  expect(() => checkExtraArgs(cluster)).toThrow("kube-scheduler has no flag --profiling");
});

test("the order of arguments is that of their names", () => {
  const args = withArgs(["p", "--b=1", "--a=1"], [{ name: "aa", value: "2" }]);
  expect(args).toEqual(["p", "--a=1", "--aa=2", "--b=1"]);
});

test.each(["a\\n        - --profiling=true", "a: b", "a #b", "a:", 'a\\"b', "{a}"])(
  "a value that YAML would not take as one word is refused: %s",
  async (clusterName) => {
    const pod = podOf("kube-controller-manager", `clusterName: "${clusterName}"`);
    await expect(pod).rejects.toThrow("clusterName: not a word");
  },
);
