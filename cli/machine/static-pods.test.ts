import { expect, test } from "vitest";
import { parseKubeadmConfig } from "./config/kubeadm.ts";
import { CONTROL_PLANE, checkExtraArgs, staticPod, withArgs } from "./static-pods.ts";

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

const podOf = async (name: "etcd" | (typeof CONTROL_PLANE)[number], text = "") =>
  (await staticPod(name, { cluster: clusterOf(text), ...machine })) as Pod;

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
