import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { demoOn, printed, readyOf } from "./machines/demo.ts";
import { hasPeers, KubeadmMachine, POD_SUBNET } from "./machines/kubeadm-machine.ts";
import { Machines } from "./machines/machine.ts";

const TIMEOUT = { timeout: 400_000 };
const ROOT = join(import.meta.dirname, "../..");
const REPOSITORY = "r2k.example";
const IGNORED = "--ignore-preflight-errors=SystemVerification,NumCPU,Mem";
const ADMIN = "--kubeconfig=/etc/kubernetes/admin.conf";

/** The configuration of `kubeadm init`. */
const configOf = (address: string, { socket, patches }: KubeadmMachine) => `
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: { advertiseAddress: ${address} }
nodeRegistration: { criSocket: "${socket}" }
patches: { directory: ${patches} }
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.0
imageRepository: ${REPOSITORY}
encryptionAlgorithm: ECDSA-P256
networking: { podSubnet: ${POD_SUBNET} }
`;

describe.skipIf(!hasPeers("kubeadm"))("kubeadm 1.36 brings up a cluster of ours", TIMEOUT, () => {
  let machines: Machines;
  let first: KubeadmMachine;
  let second: KubeadmMachine;
  const kubectl = (args: readonly string[], input?: string) =>
    first.machine.host.run("kubectl", [ADMIN, ...args], input === undefined ? {} : { input });

  beforeAll(async () => {
    machines = await Machines.create();
    const archive = join(machines.dir, "release.tar");
    const [one, two] = [await machines.add("one"), await machines.add("two")];
    const made = await one.host.r2k([
      "image", "build-release", archive, "--image-repository", REPOSITORY,
    ]);
    expect(made.code, made.stderr).toBe(0);
    const ours = { kubelet: "ours", runtime: "ours", archive } as const;
    first = await KubeadmMachine.prepare(one, ours);
    second = await KubeadmMachine.prepare(two, ours);
  }, TIMEOUT.timeout);

  afterAll(async () => {
    await machines.close();
    for (const each of [second, first]) each?.removeGroups();
  }, TIMEOUT.timeout);

  it("init makes a control plane of our images, run by our kubelet on our runtime", async () => {
    await first.shell("cat > /run/kubeadm.yaml", configOf(first.machine.address, first));
    const said = await first.shell(`kubeadm init --config /run/kubeadm.yaml ${IGNORED}`);
    expect(said).toContain("Your Kubernetes control-plane has initialized successfully!");
    await first.shell(`kubectl ${ADMIN} apply -f ${ROOT}/cli/addons/06-overlay.yaml`);
    await first.startNetwork();
    await printed(kubectl, readyOf("one"), (status) => status === "True");
    const runtime = ["get", "node", "one", "-o",
      "jsonpath={.status.nodeInfo.containerRuntimeVersion}"];
    expect((await kubectl(runtime)).stdout).toMatch(/^raft2kube:/);
  });

  it("a second machine joins, and pods there are reached by a Service's name", async () => {
    const words = await first.shell("kubeadm token create --print-join-command");
    const flags = `${IGNORED} --cri-socket ${second.socket} --patches ${second.patches}`;
    expect(await second.shell(`${words.trim()} ${flags}`)).toContain("has joined the cluster");
    await second.startNetwork();
    await printed(kubectl, readyOf("two"), (status) => status === "True");
    await demoOn(kubectl, "two", `${REPOSITORY}/kube-proxy:v1.36.0`);
  });

  it("certificates are renewed, and the components run with them after an upgrade", async () => {
    const serial = "openssl x509 -noout -serial -in /etc/kubernetes/pki/apiserver.crt";
    const before = await first.shell(serial);
    expect(await first.shell("kubeadm certs renew all")).toContain("Done renewing certificates");
    expect(await first.shell(serial)).not.toBe(before);
    const flags = `${IGNORED} --patches`;
    const upgraded = await first.shell(`kubeadm upgrade node ${flags} ${first.patches}`);
    expect(upgraded).toContain("instance for this node was successfully upgraded");
    const other = await second.shell(`kubeadm upgrade node ${flags} ${second.patches}`);
    expect(other).toContain("The kubelet configuration for this node was successfully upgraded");
    await demoOn(kubectl, "two", `${REPOSITORY}/kube-proxy:v1.36.0`);
  });

  it("reset ends the pods, and takes what init and join have written", async () => {
    for (const each of [second, first]) {
      await each.stopKubelet();
      await each.shell(`kubeadm reset --force --cri-socket ${each.socket}`);
      const left = "ls -A /etc/kubernetes/manifests /etc/kubernetes/pki /var/lib/etcd 2> /dev/null";
      expect((await each.run(`${left} | grep -v '^/\\|^$'`)).stdout).toBe("");
      const gone = async () => (await each.run("pgrep conmon")).stdout === "" || undefined;
      const limits = { clock: systemClock(), timeout_ms: 60_000, interval_ms: 250 };
      await waitFor("the end of its containers", gone, limits);
    }
  });
});
