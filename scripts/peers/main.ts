// Builds the programs that tests and benchmarks hold our parts against into .peers, where Go is,
// and Python for its client. Usage: npm run peers [-- NAME... | --all]. One that
// cannot be brought, as where a registry lacks it, is named at the end, and the others are.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { messageOf } from "@raft2kube/std/errors.ts";
import { buildCniPlugins } from "./cni-plugins.ts";
import { buildCsiSanity } from "./csi-sanity.ts";
import { buildCsiSidecars } from "./csi-sidecars.ts";
import { buildCsiSnapshotter } from "./csi-snapshotter.ts";
import { buildFlanneld } from "./flannel.ts";
import { installAnsible, installOperator, installPython } from "./python.ts";
import { buildReleased } from "./released.ts";

const bin = join(import.meta.dirname, "../../.peers/bin");

const PEERS: Readonly<Record<string, () => void>> = {
  etcd: () => buildModule("etcd"),
  "csi-sanity": () => buildCsiSanity(bin),
  "csi-sidecars": () => buildCsiSidecars(bin),
  "csi-snapshotter": () => buildCsiSnapshotter(bin),
  "csi-mock-driver": () => buildModule("kubernetes", "csi-mock-driver"),
  "kms-mock": () => buildModule("kubernetes", "kms-mock"),
  informer: () => buildModule("kubernetes", "informer"),
  h2spec: () => buildModule("h2spec"),
  "node-peer": () => buildModule("node-peer"),
  operator: () => buildModule("operator", ""),
  "api-load": () => buildModule("api-load"),
  "kube-apiserver": () => buildModule("kubernetes", "kube-apiserver"),
  "kube-controller-manager": () => buildModule("kubernetes", "kube-controller-manager"),
  "kube-scheduler": () => buildModule("kubernetes", "kube-scheduler"),
  "kube-proxy": () => buildModule("kubernetes", "kube-proxy"),
  kubectl: () => buildModule("kubernetes", "kubectl"),
  "kubectl-convert": () =>
    runGo("kubernetes", [
      "build",
      "-mod=mod",
      "-o",
      `${bin}/`,
      "k8s.io/kubernetes/cmd/kubectl-convert",
    ]),
  kubelet: () => buildVersioned("kubelet"),
  kubeadm: () => buildVersioned("kubeadm"),
  "sample-apiserver": () => buildTool("conformance", "k8s.io/sample-apiserver"),
  "metrics-server": () =>
    buildTool("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
  helm: () => buildTool("helm", "helm.sh/helm/v3/cmd/helm"),
  kustomize: () => buildTool("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
  "prometheus-operator": () =>
    buildTool(
      "prometheus-operator",
      "github.com/prometheus-operator/prometheus-operator/cmd/operator",
      "prometheus-operator",
    ),
  "cert-manager": () => buildTool("cert-manager", ".", "cert-manager"),
  prometheus: buildPrometheus,
  collector: () => buildTool("collector", ".", "collector"),
  flanneld: () => buildFlanneld(bin),
  kubelogin: () => buildReleased(bin, "github.com/int128/kubelogin@v1.28.0", { kubelogin: "." }),
  kueue: () => buildReleased(bin, "sigs.k8s.io/kueue@v0.17.0", { kueue: "./cmd/kueue" }),
  lws: () => buildReleased(bin, "sigs.k8s.io/lws@v0.7.0", { lws: "./cmd" }),
  kyverno: () =>
    buildReleased(bin, "github.com/kyverno/kyverno@v1.19.1", {
      kyverno: "./cmd/kyverno",
      kyvernopre: "./cmd/kyverno-init",
      "kyverno-background": "./cmd/background-controller",
      "kyverno-cleanup": "./cmd/cleanup-controller",
      "kyverno-reports": "./cmd/reports-controller",
    }),
  "argo-rollouts": () =>
    buildReleased(bin, "github.com/argoproj/argo-rollouts@v1.9.2", {
      "rollouts-controller": "./cmd/rollouts-controller",
      "kubectl-argo-rollouts": "./cmd/kubectl-argo-rollouts",
    }),
  vpa: () =>
    buildReleased(bin, "k8s.io/autoscaler/vertical-pod-autoscaler@v1.8.1", {
      "vpa-recommender": "./pkg/recommender",
      "vpa-updater": "./pkg/updater",
      "vpa-admission-controller": "./pkg/admission-controller",
    }),
  tekton: () => {
    const commands = ["controller", "entrypoint", "events", "nop", "webhook", "workingdirinit"];
    const named = commands.map((name) => [`tekton-${name}`, `./cmd/${name}`]);
    buildReleased(bin, "github.com/tektoncd/pipeline@v1.9.0", Object.fromEntries(named));
  },
  metallb: () =>
    buildReleased(bin, "go.universe.tf/metallb@v0.15.2", {
      "metallb-controller": "./controller",
      "metallb-speaker": "./speaker",
    }),
  "dask-kubernetes": () => installOperator(bin),
  "ansible-playbook": () => installAnsible(bin),
  jobset: () => buildReleased(bin, "sigs.k8s.io/jobset@v0.10.1", { jobset: "." }),
  keda: () =>
    buildReleased(bin, "github.com/kedacore/keda/v2@v2.20.2", {
      keda: "./cmd/operator",
      "keda-adapter": "./cmd/adapter",
      "keda-admission-webhooks": "./cmd/webhooks",
    }),
  "kustomize-controller": () => {
    const module = "github.com/fluxcd/kustomize-controller";
    const nested = [`${module}/api`];
    buildReleased(bin, `${module}@v1.7.3`, { "kustomize-controller": "." }, nested);
  },
  "argo-workflows": () => {
    const commands = ["workflow-controller", "argoexec", "argo"];
    const named = commands.map((name) => [name, `./cmd/${name}`]);
    const signals = "workflow/executor/osspecific/signal";
    const copies = {
      [`${signals}_linux.go`]: `${signals}_darwin.go`,
      "ui/dist/app/index.html": "ui/src/index.html",
    };
    const module = "github.com/argoproj/argo-workflows/v3@v3.7.4";
    buildReleased(bin, module, Object.fromEntries(named), [], copies);
  },
  argocd: () => buildReleased(bin, "github.com/argoproj/argo-cd/v3@v3.1.9", { argocd: "./cmd" }),
  "external-secrets": () => {
    const module = "github.com/external-secrets/external-secrets@v0.20.4";
    buildReleased(bin, module, { "external-secrets": "." });
  },
  "external-dns": () =>
    buildReleased(bin, "sigs.k8s.io/external-dns@v0.20.0", { "external-dns": "." }),
  coredns: () => buildReleased(bin, "github.com/coredns/coredns@v1.13.1", { coredns: "." }),
  stern: () => buildReleased(bin, "github.com/stern/stern@v1.33.1", { stern: "." }),
  k9s: () => buildReleased(bin, "github.com/derailed/k9s@v0.50.9", { k9s: "." }),
  "cni-plugins": () => buildCniPlugins(join(bin, "../cni-plugins")),
  "python-client": () => installPython(bin, "client"),
  "java-client": copyJavaClient,
  "device-plugin-go": () => buildModule("../../labs/18-device-plugin/copy/go"),
  "device-plugin-python": () => installPython(bin, "grpc"),
  conformance: buildConformance,
  "etcd-tests": buildEtcdTests,
  "gateway-conformance": buildGatewayTests,
  critest: buildCritest,
};

/** Only for long runs, and with `--all`. The first takes 11 minutes on two processors. */
const ONLY_BY_NAME: readonly string[] = [
  "conformance",
  "etcd-tests",
  "gateway-conformance",
  "critest",
  "kueue",
  "kyverno",
  "argo-rollouts",
  "vpa",
  "tekton",
  "lws",
  "metallb",
  "dask-kubernetes",
  "jobset",
  "keda",
  "kustomize-controller",
  "stern",
  "k9s",
  "argo-workflows",
  "argocd",
  "external-secrets",
  "external-dns",
  "coredns",
  "ansible-playbook",
];
const ALL = "--all";

/** Brings the archives of fabric8's client by Maven: Java runs a program of one file with them. */
function copyJavaClient(): void {
  const pom = join(import.meta.dirname, "java-client/pom.xml");
  const to = `-DoutputDirectory=${resolve(bin, "../java-client")}`;
  const done = spawnSync("mvn", ["-q", "-B", "-f", pom, "dependency:copy-dependencies", to], {
    stdio: "inherit",
  });
  if (done.status !== 0) throw new Error("mvn could not bring the client; it needs Maven and Java");
}

/** Builds every command of a Go module beside this file, or one of them. */
function buildModule(name: string, command = "..."): void {
  runGo(name, ["build", "-o", `${bin}/`, `./${command}`]);
}

/** Builds a program of upstream's that is refused by others of it without a version. */
function buildVersioned(command: string): void {
  const flags = ["-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.36.0"];
  runGo("kubernetes", ["build", ...flags, "-o", `${bin}/`, `./${command}`]);
}

/** Builds a program of a module that the module beside this file names. */
function buildTool(name: string, path: string, as = ""): void {
  const flags = ["-mod=mod", "-ldflags=-s -w", "-o", `${bin}/${as}`];
  runGo(name, ["build", ...flags, path]);
}

/** Builds Prometheus with discovery in Kubernetes alone, which Debian's program lacks. */
function buildPrometheus(): void {
  const flags = ["-mod=mod", "-ldflags=-s -w", "-tags=remove_all_sd,enable_kubernetes_sd"];
  const paths = ["prometheus", "promtool"].map(
    (name) => `github.com/prometheus/prometheus/cmd/${name}`,
  );
  runGo("prometheus", ["build", ...flags, "-o", `${bin}/`, ...paths]);
}

/** Builds upstream's e2e.test, kubectl and the programs of its images. */
function buildConformance(): void {
  const to = join(bin, "../conformance");
  const version = "-X k8s.io/component-base/version.gitVersion=v1.36.3";
  const flags = ["-mod=mod", `-ldflags=-s -w ${version}`];
  const e2e = ["-vet=off", "-o", `${to}/e2e.test`, "k8s.io/kubernetes/test/e2e"];
  runGo("conformance", ["test", "-c", ...flags, ...e2e]);
  runGo("conformance", ["build", ...flags, "-o", `${to}/`, "tool"]);
  runGo("etcd", ["build", "-ldflags=-s -w", "-o", `${to}/etcd`, "./etcd"]);
}

/** Builds the Gateway API's conformance suite, and the server that its manifests name. */
function buildGatewayTests(): void {
  const to = join(bin, "../gateway-conformance");
  const flags = ["-mod=mod", "-ldflags=-s -w"];
  const suite = "sigs.k8s.io/gateway-api/conformance";
  const name = "gateway-conformance";
  runGo(name, ["test", "-c", "-vet=off", ...flags, "-o", `${to}/conformance.test`, suite]);
  runGo(name, ["build", ...flags, "-o", `${to}/echo-basic`, `${suite}/echo-basic`]);
}

/** Builds etcd's own tests that run its programs: `common.test` and `e2e.test`. */
function buildEtcdTests(): void {
  const to = join(bin, "../etcd-tests");
  for (const suite of ["common", "e2e"]) {
    const flags = ["-mod=mod", "-vet=off", "-tags=e2e", "-o", `${to}/${suite}.test`];
    runGo("etcd-tests", ["test", "-c", ...flags, `go.etcd.io/etcd/tests/v3/${suite}`]);
  }
}

/** Builds cri-tools' critest, and the programs of two of its images. */
function buildCritest(): void {
  const to = join(bin, "../critest");
  const flags = ["-mod=mod", "-ldflags=-s -w"];
  const suite = ["-vet=off", "-o", `${to}/critest`, "sigs.k8s.io/cri-tools/cmd/critest"];
  runGo("critest", ["test", "-c", ...flags, ...suite]);
  runGo("critest", ["build", ...flags, "-o", `${to}/`, "./..."]);
}

/** Runs Go in a module beside this file; what it builds is static, so that images can have it. */
function runGo(name: string, args: readonly string[]): void {
  const result = spawnSync("go", args, {
    cwd: resolve(import.meta.dirname, name),
    stdio: "inherit",
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  if (result.error) throw new Error(`Go cannot be run: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`building ${name} failed`);
}

/** Brings the peers; returns those that cannot be brought, with the reason. */
function bring(names: readonly string[]): string[] {
  mkdirSync(bin, { recursive: true });
  return names.flatMap((name) => {
    process.stdout.write(`building ${name} ...\n`);
    try {
      PEERS[name]!();
      return [];
    } catch (thrown) {
      return [`${name}: ${messageOf(thrown)}`];
    }
  });
}

const wanted = process.argv.slice(2);
const all = wanted.includes(ALL);
const unknown = wanted.filter((name) => name !== ALL && !(name in PEERS));
if (unknown.length > 0) {
  const known = `${Object.keys(PEERS).join(", ")}, and ${ALL}`;
  process.stderr.write(`no peer ${unknown.join(", ")}; there are ${known}\n`);
  process.exitCode = 2;
} else {
  const byDefault = Object.keys(PEERS).filter((name) => all || !ONLY_BY_NAME.includes(name));
  const missing = bring(wanted.length > 0 && !all ? wanted : byDefault);
  for (const line of missing) process.stderr.write(`NOT BROUGHT ${line}\n`);
  if (missing.length > 0) process.exitCode = 1;
}
