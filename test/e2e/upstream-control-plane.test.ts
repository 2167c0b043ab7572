import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { demoOn, printed, readyOf } from "./machines/demo.ts";
import { hasPeers, PEERS, POD_SUBNET } from "./machines/kubeadm-machine.ts";
import { type Machine, Machines, must } from "./machines/machine.ts";

const TIMEOUT = { timeout: 400_000 };
const ADDONS = join(import.meta.dirname, "../../cli/addons");
const ADMIN = "--kubeconfig=/etc/kubernetes/admin.conf";
const TOKEN = "abcdef.0123456789abcdef";
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

const isPossible = hasPeers("kubeadm", ...COMPONENTS);

const configOf = (address: string) => `
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: { advertiseAddress: ${address} }
nodeRegistration: { criSocket: "unix:///run/none.sock" }
bootstrapTokens: [{ token: ${TOKEN} }]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.0
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
done
admin="kubectl --kubeconfig /etc/kubernetes/super-admin.conf"
until $admin get --raw /readyz > /dev/null 2>&1; do sleep 0.5; done
$admin create clusterrolebinding kubeadm:cluster-admins --clusterrole cluster-admin \\
  --group kubeadm:cluster-admins
for of in "upload-config all" bootstrap-token "addon all"; do phase $of; done
`;

describe.skipIf(!isPossible)("ours joins a control plane of upstream's", TIMEOUT, () => {
  let machines: Machines;
  let plane: Machine;
  let worker: Machine;
  const kubectl = (args: readonly string[], input?: string) =>
    plane.host.run("kubectl", [ADMIN, ...args], input === undefined ? {} : { input });

  beforeAll(async () => {
    machines = await Machines.create();
    plane = await machines.add("plane");
    worker = await machines.add("worker");
    await must(plane.host, "cat > /run/kubeadm.yaml", configOf(plane.address));
    await must(plane.host, START);
  }, TIMEOUT.timeout);

  afterAll(async () => {
    await worker?.host.r2k(["reset", "--force"]);
    await machines.close();
  }, TIMEOUT.timeout);

  it("pods on its node are reached by a Service's name", async () => {
    // As the manifest of any network of pods: what its nodes may read.
    for (const file of ["06-overlay.yaml", "07-network-policy.yaml"]) {
      await must(plane.host, `kubectl ${ADMIN} apply -f ${ADDONS}/${file}`);
    }
    const file = join(machines.dir, "worker.yaml");
    const kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    writeFileSync(file, `${kind}cgroupRoot: /r2k/machines-${process.pid}-worker\n`);
    const hash = await must(plane.host, `
      openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt |
        openssl pkey -pubin -outform der | sha256sum | cut -d ' ' -f 1`);
    const joined = await worker.host.r2k([
      "join", `${plane.address}:6443`, "--token", TOKEN, "--config", file,
      "--discovery-token-ca-cert-hash", `sha256:${hash.trim()}`,
    ]);
    expect(joined.code, joined.stderr).toBe(0);
    await printed(kubectl, readyOf("worker"), (status) => status === "True");
    await demoOn(kubectl, "worker", "registry.k8s.io/kube-proxy:v1.36.0");
  });
});
