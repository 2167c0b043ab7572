import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { ASKED, conformanceImages, conformanceOn, LIMIT_MS } from "../conformance/mixed.ts";
import { demoOn, printed, readyOf, UNTAINT } from "./machines/demo.ts";
import { hasPeers, KubeadmMachine, POD_SUBNET } from "./machines/kubeadm-machine.ts";
import { Machines } from "./machines/machine.ts";

const TIMEOUT = { timeout: 400_000 };
const ROOT = join(import.meta.dirname, "../..");
const REPOSITORY = "r2k.example";
const IGNORED = "--ignore-preflight-errors=SystemVerification,NumCPU,Mem";
const ADMIN = "--kubeconfig=/etc/kubernetes/admin.conf";
const PKI = "/etc/kubernetes/pki";
const ETCDCTL = `ETCDCTL_API=3 etcdctl --endpoints https://127.0.0.1:2379 \\
  --cacert ${PKI}/etcd/ca.crt --cert ${PKI}/etcd/peer.crt --key ${PKI}/etcd/peer.key`;

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
controlPlaneEndpoint: ${address}:6443
encryptionAlgorithm: ECDSA-P256
networking: { podSubnet: ${POD_SUBNET} }
`;

describe.skipIf(!hasPeers("kubeadm"))("kubeadm 1.36 brings up a cluster of ours", TIMEOUT, () => {
  let machines: Machines;
  let first: KubeadmMachine;
  let second: KubeadmMachine;
  /** The version by which kubeadm finds the images of this build, which have other tags too. */
  let build: string;
  const kubectl = (args: readonly string[], input?: string) =>
    first.machine.host.run("kubectl", [ADMIN, ...args], input === undefined ? {} : { input });

  beforeAll(async () => {
    machines = await Machines.create();
    const archive = join(machines.dir, "release.tar");
    const [one, two] = [await machines.add("one"), await machines.add("two")];
    const made = await one.host.r2k([
      "image",
      "build-release",
      archive,
      "--image-repository",
      REPOSITORY,
    ]);
    expect(made.code, made.stderr).toBe(0);
    build = /kube-apiserver:(\S+)_(r2k\S+)/.exec(made.stdout)!.slice(1).join("+");
    const archives = [archive, ...(ASKED ? [await conformanceImages()] : [])];
    const ours = { kubelet: "ours", runtime: "ours", archives } as const;
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
    const runtime = [
      "get",
      "node",
      "one",
      "-o",
      "jsonpath={.status.nodeInfo.containerRuntimeVersion}",
    ];
    expect((await kubectl(runtime)).stdout).toMatch(/^raft2kube:/);
  });

  it("a second control plane joins, and its member of the store votes", async () => {
    const upload = "kubeadm init phase upload-certs --upload-certs --config /run/kubeadm.yaml";
    const key = (await first.shell(upload)).trim().split("\n").at(-1);
    const words = await first.shell(
      `kubeadm token create --print-join-command --certificate-key ${key}`,
    );
    const flags = `${IGNORED} --cri-socket ${second.socket} --patches ${second.patches}`;
    const said = await second.shell(`${words.trim()} ${flags}`);
    expect(said).toContain("a new control plane instance was created");
    await second.startNetwork();
    await printed(kubectl, readyOf("two"), (status) => status === "True");
    const members = await first.shell(`${ETCDCTL} member list`);
    const voters = members.match(/^\w+, started, (one|two), .*, false$/gm);
    expect(voters, members).toHaveLength(2);
  });

  it("plan and apply find it healthy and upgrade it; a Service's name leads to pods", async () => {
    const serial = `openssl x509 -noout -serial -in ${PKI}/apiserver.crt`;
    const before = await first.shell(serial);
    expect(await first.shell("kubeadm certs renew all")).toContain("Done renewing certificates");
    const renewed = await first.shell(serial);
    expect(renewed).not.toBe(before);
    const plan = await first.shell("kubeadm upgrade plan v1.36.1");
    expect(plan).toMatch(/kube-apiserver +two +v1\.36\.0 +v1\.36\.1/);
    const flags = `${IGNORED} --patches`;
    const applied = await first.shell(
      `kubeadm upgrade apply --yes ${build} ${flags} ${first.patches}`,
    );
    expect(applied).toContain(`was upgraded to "${build}"`);
    expect(await first.shell(serial)).not.toBe(renewed);
    const other = await second.shell(`kubeadm upgrade node ${flags} ${second.patches}`);
    expect(other).toContain("instance for this node was successfully upgraded");
    const image = "-o=jsonpath={range .items[*]}{.status.containerStatuses[*].image} {end}";
    const pods = ["get", "pods", "-n", "kube-system", "-l", "component=kube-apiserver", image];
    const tag = `${REPOSITORY}/kube-apiserver:${build.replace("+", "_")} `;
    await printed(kubectl, pods, (images) => images === tag + tag);
    await demoOn(kubectl, "two", `${REPOSITORY}/kube-proxy:v1.36.0`);
  });

  it.runIf(ASKED)("upstream's conformance tests pass", { timeout: LIMIT_MS }, async () => {
    await kubectl(UNTAINT);
    expect(await conformanceOn(first.machine.host, "kubeadm")).toEqual([]);
  });

  it("reset takes a member out of the store, and what init and join have written", async () => {
    for (const each of [second, first]) {
      await each.stopKubelet();
      await each.shell(`kubeadm reset --force --cri-socket ${each.socket}`);
      if (each === second) {
        expect(await first.shell(`${ETCDCTL} member list`)).toMatch(/^.*started, one,.*\n$/);
        await printed(kubectl, readyOf("one"), (status) => status === "True");
      }
      const left = `ls -A /etc/kubernetes/manifests ${PKI} /var/lib/etcd 2> /dev/null`;
      expect((await each.run(`${left} | grep -v '^/\\|^$'`)).stdout).toBe("");
      const gone = async () => (await each.run("pgrep conmon")).stdout === "" || undefined;
      const limits = { clock: systemClock(), timeout_ms: 60_000, interval_ms: 250 };
      await waitFor("the end of its containers", gone, limits);
    }
  });
});
