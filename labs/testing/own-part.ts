import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  globSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { isErrno } from "@raft2kube/std/errors.ts";
import { bundle } from "../../scripts/build/bundle.ts";
import { bundledSources, entryPoints } from "../../scripts/build/entries.ts";
import { findLab, type Mutant, readLabs } from "../runner/manifest.ts";
import { ownTree, treesDigest } from "../runner/own-tree.ts";
import { ROOT_DIR } from "../runner/paths.ts";
import type { LabProgress, LabState } from "../runner/state.ts";
import { cacheFolder, writeReference } from "../runner/workspace.ts";

const run = promisify(execFile);

/** Every lab that has a part of the product. */
export const PARTS = readLabs()
  .filter(({ files }) => files.length > 0)
  .map(({ number }) => number);

/**
 * The beginning of the name of the folder that has the bundle with every lab's part: test files
 * share it, as making it takes 4 s of a processor.
 */
const ASSEMBLED = "own-bundle-";

/** No test runs for so long from a bundle that sources have changed since. */
const FORMER_MS = 3_600_000;

/** The line that a process with a reader's part of a lab prints at its start. */
export const markOf = (number: string): string => `own part of lab ${number}`;

/**
 * A reader's parts of some labs, by default of all, used as a reader does it; the reference is
 * copied as their code. It has its own folder, with the programs that are started from it.
 */
export class OwnPart {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #labs: readonly string[];
  #isWrong = false;
  readonly #processes: ChildProcess[] = [];
  readonly #byName = new Map<string, ChildProcess>();

  constructor(name: string, labs: readonly string[] = PARTS) {
    this.folder = mkdtempSync(join(cacheFolder(), `${name}-`));
    this.env = { ...process.env, R2K_LABS: join(this.folder, "my"), R2K_ROOT: ROOT_DIR };
    this.#labs = labs;
  }

  /** Runs `r2k lab`; returns its output. Throws with the output if it fails. */
  async lab(...words: string[]): Promise<string> {
    return await this.run(join(ROOT_DIR, "cli/main.ts"), "lab", ...words);
  }

  /** Runs a command of a program to its end; as `lab`. */
  async run(program: string, ...words: string[]): Promise<string> {
    try {
      return (await run(process.execPath, [program, ...words], { env: this.env })).stdout;
    } catch (thrown) {
      const { stdout, stderr } = thrown as { stdout: string; stderr: string };
      throw new Error(`r2k ${words.join(" ")}: ${stdout}${stderr}`);
    }
  }

  /** Writes the reader's files, with a mark in each part, and runs their checks. */
  async write(...flags: string[]): Promise<void> {
    this.#writeAll();
    for (const number of this.#labs) await this.lab("check", number, ...flags);
  }

  /** Writes the files, and has the cluster use them all: the references pass. */
  useUnjudged(): void {
    this.#writeAll();
    const progress: LabProgress = { startedAt: "", use: "own", anyway: true };
    const labs = Object.fromEntries(this.#labs.map((number) => [number, progress]));
    const state: LabState = { formatVersion: 1, labs };
    writeFileSync(join(this.env["R2K_LABS"]!, "labs.json"), JSON.stringify(state));
  }

  /** Writes it, with at most one mistake in each lab; no check sees it. */
  writeUnjudged(...mutants: readonly Mutant[]): void {
    this.#writeAll(mutants);
  }

  #writeAll(mutants: readonly Mutant[] = []): void {
    this.#isWrong = mutants.length > 0;
    for (const number of this.#labs) {
      const tree = ownTree(number, this.env);
      const item = findLab(number);
      writeReference(
        item,
        tree,
        mutants.find(({ file }) => item.files.includes(file)),
      );
      const mark = `process.stderr.write("${markOf(number)}\\n");\n`;
      appendFileSync(join(tree, item.files[0]!), mark);
    }
  }

  /** Bundles the product with these parts; returns its `main.js`. */
  async bundle(): Promise<string> {
    const trees = this.#labs.map((number) => ownTree(number, this.env));
    const kept = join(cacheFolder(), ASSEMBLED + bundleKey(trees));
    if (existsSync(kept)) return join(kept, "main.js");
    const outDir = join(this.folder, "bundle");
    await bundle({ outDir, entries: entryPoints(), trees });
    if (this.#labs !== PARTS || this.#isWrong) return join(outDir, "main.js");
    keepBundle(outDir, kept);
    return join(kept, "main.js");
  }

  /** Starts a program of the bundle; returns a function that returns its output so far. */
  start(program: string, words: readonly string[]): () => string {
    const child = spawn(process.execPath, [program, ...words], {
      env: this.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#processes.push(child);
    this.#byName.set(words[0] ?? "", child);
    let output = "";
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    return () => output;
  }

  /** Kills a program, by the first word that it was started with. */
  kill(name: string): void {
    this.#byName.get(name)?.kill("SIGKILL");
  }

  remove(): void {
    for (const child of this.#processes) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true });
  }
}

/** A digest of what a bundle is made of. */
function bundleKey(trees: readonly string[]): string {
  const names = trees.map((tree) => basename(tree));
  const hash = createHash("sha256").update(`${process.version}\0${names}\0`);
  const paths = ["package-lock.json", ...globSync("scripts/build/*.ts", { cwd: ROOT_DIR }).sort()];
  for (const path of [...bundledSources(), ...paths]) {
    hash.update(`${path}\0${statSync(join(ROOT_DIR, path)).mtimeMs}\0`);
  }
  return hash.update(treesDigest(trees)).digest("hex");
}

const madeAt = (folder: string) => statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/**
 * Moves the bundle with every lab's part to its place, unless another process did it meanwhile.
 * Removes former ones, which no test that still runs uses.
 */
function keepBundle(made: string, kept: string): void {
  const former = globSync(`${ASSEMBLED}*`, { cwd: cacheFolder() });
  for (const name of former) {
    const path = join(cacheFolder(), name);
    const age_ms = madeAt(made) - madeAt(path);
    if (path !== kept && age_ms > FORMER_MS) rmSync(path, { recursive: true, force: true });
  }
  try {
    renameSync(made, kept);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOTEMPTY", "EEXIST")) throw thrown;
  }
}
