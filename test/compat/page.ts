/** One use of one program, and how it went: `works`, `fails: WHY` or `left out: WHY`. */
export interface Row {
  readonly name: string;
  readonly version: string;
  readonly use: string;
  readonly outcome: string;
}

/** Programs that `npm test` runs: which, what they do, in which test. */
const HELD_BY_TESTS: readonly (readonly [string, string, string])[] = [
  [
    "an operator on controller-runtime v0.25.2",
    "two versions, conversion, defaulting and validation by webhooks, election, garbage collection",
    "test/e2e/operator.test.ts",
  ],
  [
    "external-snapshotter v8.7.0",
    "snapshots, restore, clones, pre-provisioned, hostPath driver",
    "test/e2e/snapshots.test.ts",
  ],
  [
    "external-snapshotter v8.7.0",
    "the same on our NFS driver, whose node is lost meanwhile; by `R2K_NFS_DEMO=1`",
    "test/guest/nfs-snapshots.test.ts",
  ],
  ["sample-apiserver", "behind ours", "test/contract/apiserver/aggregation/programs.test.ts"],
  [
    "metrics-server",
    "behind ours, for `kubectl top`",
    "test/contract/apiserver/aggregation/programs.test.ts",
  ],
  [
    "kube-apiserver 1.36",
    "ours behind its aggregator",
    "test/contract/apiserver/aggregation/behind-upstream.test.ts",
  ],
  [
    "kube-controller-manager, kube-scheduler 1.36",
    "on ours",
    "test/contract/controllers/exchange.test.ts",
  ],
  ["kube-proxy 1.36", "in a node's network", "test/contract/proxy/proxy.test.ts"],
  ["containerd", "under our kubelet", "test/contract/kubelet/containerd.test.ts"],
  ["flanneld", "in the overlay's place", "test/contract/cni/overlay/flanneld.test.ts"],
];

/** The rows of the page as it is. */
export function rowsIn(page: string): Row[] {
  const found = page.matchAll(/^\| ([^|]+) \| (v[^|]+) \| (.+) \| (.+) \|$/gm);
  return Array.from(found, ([, name, version, use, outcome]) => {
    return { name: name!, version: version!, use: use!, outcome: outcome! };
  });
}

/** docs/COMPATIBILITY.md. */
export function pageOf(rows: readonly Row[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const table = rows.map(
    ({ name, version, use, outcome }) =>
      `| ${name} | ${version} | ${cell(use)} | ${cell(outcome)} |`,
  );
  const held = HELD_BY_TESTS.map(([name, use, test]) => `| ${name} | ${use} | \`${test}\` |`);
  return `# What users bring

Programs of others, unmodified, in a cluster of \`npm start\`. \`npm run compat\` writes this page
from what it saw; \`npm run peers -- helm kustomize prometheus-operator cert-manager kueue kyverno
argo-rollouts vpa tekton lws metallb dask-kubernetes jobset keda kustomize-controller stern k9s
ansible-playbook argo-workflows external-secrets coredns external-dns argocd\` brings the programs.
With names, as in \`npm run compat -- kueue\`, the others keep their rows. From Kueue on all but
Dask's, stern, k9s and Ansible run in pods, by their published manifests (CoreDNS by one of ours), in
images of their programs alone; Argo's executor, which writes to /tmp, in one upon busybox, Argo CD
upon Debian.

| program | version | use | outcome |
| --- | --- | --- | --- |
${table.join("\n")}

## Held by tests

These run with \`npm test\` where \`npm run peers\` has brought the programs; else the last lines of
the run name them as left out.

| program | use | test |
| --- | --- | --- |
${held.join("\n")}
`;
}
