/**
 * Runs what users bring, unmodified, in a cluster of `r2k start`, and writes docs/COMPATIBILITY.md.
 * Usage: npm run compat [-- NAME...]; the page names the peers. With names, those alone run, and
 * the others keep their rows.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { clusterRoots } from "@raft2kube/cli/spec/config.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ansible } from "./ansible.ts";
import { argoRollouts } from "./argo-rollouts.ts";
import { argoWorkflows } from "./argo-workflows.ts";
import { argoCd } from "./argocd.ts";
import { certManager } from "./cert-manager.ts";
import { dask } from "./dask.ts";
import { coredns, externalDns } from "./dns.ts";
import { externalSecrets } from "./external-secrets.ts";
import { helm } from "./helm.ts";
import { jobset } from "./jobset.ts";
import { k9s } from "./k9s.ts";
import { keda } from "./keda.ts";
import { kueue } from "./kueue.ts";
import { kustomize } from "./kustomize.ts";
import { kustomizeController } from "./kustomize-controller.ts";
import { kyverno } from "./kyverno.ts";
import { lws } from "./lws.ts";
import { metallb } from "./metallb.ts";
import { pageOf, type Row, rowsIn } from "./page.ts";
import type { Place, Program } from "./program.ts";
import { prometheusOperator } from "./prometheus-operator.ts";
import { stern } from "./stern.ts";
import { tekton } from "./tekton.ts";
import { vpa } from "./vpa.ts";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = join(ROOT, "docs/COMPATIBILITY.md");
const BIN = join(ROOT, ".peers/bin");
const CLUSTER = "compat";
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const PROGRAMS: readonly Program[] = [
  helm,
  kustomize,
  prometheusOperator,
  certManager,
  kueue,
  kyverno,
  argoRollouts,
  vpa,
  tekton,
  lws,
  metallb,
  dask,
  jobset,
  keda,
  kustomizeController,
  stern,
  k9s,
  ansible,
  argoWorkflows,
  externalSecrets,
  coredns,
  externalDns,
  argoCd,
];

const names = process.argv.slice(2);
const unknown = names.filter((name) => !PROGRAMS.some((each) => idOf(each) === name));
if (unknown.length > 0) {
  process.stderr.write(`no ${unknown.join(", ")}; there are ${PROGRAMS.map(idOf).join(", ")}\n`);
  process.exitCode = 2;
} else {
  await main(PROGRAMS.filter((each) => names.length === 0 || names.includes(idOf(each))));
}

function idOf({ name }: Program): string {
  return name.toLowerCase().replace(" ", "-");
}

async function main(programs: readonly Program[]): Promise<void> {
  const r2k = (...args: string[]) => run(join(ROOT, "r2k"), args, {});
  await r2k("start", "--name", CLUSTER, "--no-demo");
  try {
    const kubeconfig = join(clusterRoots(process.env).data, CLUSTER, "admin.conf");
    const rows: Row[] = [];
    for (const program of programs) {
      const place = placeWith(kubeconfig);
      try {
        rows.push(...(await rowsOf(program, place)));
      } finally {
        place.leave();
      }
    }
    await writePage(rows);
    if (rows.some(({ outcome }) => outcome !== "works")) process.exitCode = 1;
  } finally {
    await r2k("down", "--name", CLUSTER, "--purge");
  }
}

/** Writes the page with the rows seen now; programs that did not run keep theirs. */
async function writePage(seen: readonly Row[]): Promise<void> {
  const before = rowsIn(await readFile(PAGE, "utf8"));
  const rows = PROGRAMS.flatMap(({ name }) => {
    const of = (all: readonly Row[]) => all.filter((row) => row.name === name);
    return of(seen).length > 0 ? of(seen) : of(before);
  });
  await writeFile(PAGE, pageOf(rows));
}

function placeWith(kubeconfig: string): Place & { leave(): void } {
  const env = { KUBECONFIG: kubeconfig };
  const started: ChildProcess[] = [];
  return {
    kubeconfig,
    run: (program, ...args) => run(resolve(BIN, program), args, env),
    kubectl(...args) {
      const last = args.at(-1);
      const words = args.filter((each) => typeof each === "string");
      return run("kubectl", words, env, typeof last === "object" ? last.input : "");
    },
    container: (...args) =>
      run(join(ROOT, "r2k"), ["container", "--cluster", CLUSTER, ...args], {}),
    async start(program, ...args) {
      const options = { env: { ...process.env, ...env }, stdio: "ignore" as const };
      const child = spawn(join(BIN, program), args, options);
      started.push(child);
      await once(child, "spawn");
    },
    leave: () => started.forEach((child) => child.kill()),
  };
}

/** Runs a program's uses; those after a failed one are tried too. */
async function rowsOf(program: Program, place: Place): Promise<Row[]> {
  const { name, version, needs } = program;
  const missing = needs.filter((each) => !existsSync(join(BIN, each)));
  const rows: Row[] = [];
  for (const { use, run: runUse } of program.uses) {
    const outcome =
      missing.length > 0
        ? `left out: npm run peers -- ${missing.join(" ")}`
        : await runUse(place).then(
            () => "works",
            (thrown: unknown) => `fails: ${messageOf(thrown)}`,
          );
    process.stdout.write(`${name} ${version}: ${use}: ${outcome}\n`);
    rows.push({ name, version, use, outcome: outcome.split("\n")[0]! });
  }
  return rows;
}

async function run(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input = "",
): Promise<string> {
  const options = { env: { ...process.env, ...env }, maxBuffer: OUTPUT_BYTES_MAX };
  const running = promisify(execFile)(file, args, options);
  running.child.stdin?.end(input);
  return (await running).stdout;
}
