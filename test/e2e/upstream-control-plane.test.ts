import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NODE_AGENT } from "../../cli/machine/layout.ts";
import { ASKED, conformanceImages, conformanceOn, LIMIT_MS } from "../conformance/mixed.ts";
import { demoOn, printed, readyOf, UNTAINT } from "./machines/demo.ts";
import { hasPeers, PEERS, POD_SUBNET } from "./machines/kubeadm-machine.ts";
import { type Machine, Machines, must } from "./machines/machine.ts";

const TIMEOUT = { timeout: 400_000 };
const ADDONS = join(import.meta.dirname, "../../cli/addons");
const ADMIN = "--kubeconfig=/etc/kubernetes/admin.conf";
const TOKEN = "abcdef.0123456789abcdef";
const KEY = "5f".repeat(32);
const IMAGE = "registry.k8s.io/kube-proxy:v1.36.0";
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

const isPossible = hasPeers("kubeadm", ...COMPONENTS);

const LOCAL = "local: { dataDir: /var/lib/etcd }";
const externalAt = (address: string) => `external:
    endpoints: ["https://${address}:2379"]
    caFile: /etc/kubernetes/pki/etcd/ca.crt
    certFile: /etc/kubernetes/pki/apiserver-etcd-client.crt
    keyFile: /etc/kubernetes/pki/apiserver-etcd-client.key`;

const configOf = (address: string, etcd: string) => `
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: { advertiseAddress: ${address} }
nodeRegistration: { criSocket: "unix:///run/none.sock" }
bootstrapTokens: [{ token: ${TOKEN} }]
certificateKey: ${KEY}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.0
controlPlaneEndpoint: ${address}:6443
etcd:
  ${etcd}
encryptionAlgorithm: ECDSA-P256
networking: { podSubnet: ${POD_SUBNET} }
`;

/** kubeadm's phases, the components as processes by the commands of its manifests. */
const START = `
export PATH=${PEERS}:$PATH
phase() { kubeadm init phase "$@" --config /run/kubeadm.yaml; }
for of in "certs all" "kubeconfig all" "etcd local" "control-plane all"; do phase $of; done
for part in ${COMPONENTS.join(" ")}; do
  command=$(sed -n '/^  - command:/,/^    [a-z]/s/^    - //p' /etc/kubernetes/manifests/$part.yaml)
  setsid $command > /var/log/$part.log 2>&1 < /dev/null &
  echo $! > /run/$part.pid
done
admin="kubectl --kubeconfig /etc/kubernetes/super-admin.conf"
until $admin get --raw /readyz > /dev/null 2>&1; do sleep 0.5; done
$admin create clusterrolebinding kubeadm:cluster-admins --clusterrole cluster-admin \\
  --group kubeadm:cluster-admins
for of in "upload-config all" "upload-certs --upload-certs" bootstrap-token "addon all"; do
  phase $of
done
until $admin -n kube-system get serviceaccount default > /dev/null 2>&1; do sleep 0.5; done
`;

/** The mirror pod of its etcd, by which kubeadm and we find the members. */
const mirrorOf = (address: string) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [
      {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: "plane", labels: { "node-role.kubernetes.io/control-plane": "" } },
      },
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: {
          name: "etcd-plane",
          namespace: "kube-system",
          labels: { component: "etcd", tier: "control-plane" },
          annotations: {
            "kubeadm.kubernetes.io/etcd.advertise-client-urls": `https://${address}:2379`,
          },
        },
        spec: {
          nodeName: "plane",
          hostNetwork: true,
          containers: [{ name: "etcd", image: "etcd" }],
        },
      },
    ],
  });

describe.skipIf(!isPossible)("ours joins a control plane of upstream's", TIMEOUT, () => {
  let machines: Machines;
  let plane: Machine;
  let ours: Machine;
  let words: string[];
  const kubectl = (args: readonly string[], input?: string) =>
    plane.host.run("kubectl", [ADMIN, ...args], input === undefined ? {} : { input });
  const throughOurs = (args: readonly string[], input?: string) =>
    kubectl([`--server=https://${ours.address}:6443`, ...args], input);

  beforeAll(async () => {
    machines = await Machines.create();
    plane = await machines.add("plane");
    ours = await machines.add("ours");
    await must(plane.host, "cat > /run/kubeadm.yaml", configOf(plane.address, LOCAL));
    await must(plane.host, START);
    // As the manifest of any network of pods: what its nodes may read.
    for (const file of ["06-overlay.yaml", "07-network-policy.yaml"]) {
      await must(plane.host, `kubectl ${ADMIN} apply -f ${ADDONS}/${file}`);
    }
    const file = join(machines.dir, "ours.yaml");
    const kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    writeFileSync(file, `${kind}cgroupRoot: /r2k/machines-${process.pid}-ours\n`);
    const hash = await must(
      plane.host,
      `
      openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt |
        openssl pkey -pubin -outform der | sha256sum | cut -d ' ' -f 1`,
    );
    words = [
      "join",
      `${plane.address}:6443`,
      "--token",
      TOKEN,
      "--config",
      file,
      "--discovery-token-ca-cert-hash",
      `sha256:${hash.trim()}`,
      "--control-plane",
      "--certificate-key",
      KEY,
    ];
  }, TIMEOUT.timeout);

  afterAll(async () => {
    await ours?.host.r2k(["reset", "--force"]);
    await machines.close();
  }, TIMEOUT.timeout);

  it("its store does not become a member of etcd", async () => {
    const made = await kubectl(["create", "-f", "-"], mirrorOf(plane.address));
    expect(made.code, made.stderr).toBe(0);
    const joined = await ours.host.r2k(words);
    expect(joined.code).not.toBe(0);
    expect(joined.stderr).toContain(`https://${plane.address}:2379 is a member of etcd`);
    await must(ours.host, "test ! -e /etc/kubernetes/manifests/etcd.yaml");
    expect((await ours.host.r2k(["reset", "--force"])).code).toBe(0);
  });

  it("its API server and controllers use that etcd, beside upstream's", async () => {
    const config = configOf(plane.address, externalAt(plane.address));
    await must(plane.host, "cat > /run/external.yaml", config);
    await must(
      plane.host,
      `export PATH=${PEERS}:$PATH
      for of in "upload-config kubeadm" "upload-certs --upload-certs"; do
        kubeadm init phase $of --config /run/external.yaml
      done`,
    );
    if (ASKED) {
      const { imagesDir } = NODE_AGENT;
      await must(
        ours.host,
        `mkdir -p ${imagesDir}
        ln -s ${await conformanceImages()} ${imagesDir}/conformance.tar`,
      );
    }
    const joined = await ours.host.r2k(words);
    expect(joined.code, joined.stderr).toBe(0);
    await printed(kubectl, readyOf("ours"), (status) => status === "True");
    await demoOn(kubectl, "ours", IMAGE);
    // Its managers take over.
    await must(plane.host, "kill $(cat /run/kube-controller-manager.pid /run/kube-scheduler.pid)");
    await demoOn(throughOurs, "ours", IMAGE);
  });

  it.runIf(ASKED)("upstream's conformance tests pass", { timeout: LIMIT_MS }, async () => {
    await kubectl(UNTAINT);
    await kubectl(["delete", "node", "plane"]);
    expect(await conformanceOn(plane.host, "upstream-control-plane")).toEqual([]);
  });
});
