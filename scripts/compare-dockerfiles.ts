/**
 * Builds the Dockerfiles of the corpus with buildah and prints where the record differs; with a
 * part of a name those, and cases that have no answer yet. `--record` writes the answers.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  answerOf,
  type Case,
  linesOf,
  makeContext,
  PLAIN,
  readCases,
  writeCases,
} from "../test/e2e/containers/corpus/corpus.ts";
import { Hand } from "../test/e2e/containers/hand.ts";

const FILE = join(import.meta.dirname, "../test/e2e/containers/corpus/dockerfiles.txt");

const hand = new Hand();
const dir = mkdtempSync("/tmp/r2k-buildah-");
const storage = ["--root", join(dir, "root"), "--runroot", join(dir, "run")];
const buildah = (...args: string[]) =>
  execFileSync("buildah", [...storage, ...args], { encoding: "utf8", stdio: "pipe" }).trim();

function build(wanted: Case): { config: Record<string, unknown>; files: string[] } {
  const context = join(dir, "case/context");
  mkdirSync(context, { recursive: true });
  makeContext(context, wanted);
  const confined = ["--isolation", "oci", "--runtime", "crun", "--network", "none"];
  buildah("bud", ...confined, "-q", "-t", "made:1", context);
  const { OCIv1 } = JSON.parse(buildah("inspect", "--type", "image", "made:1")) as {
    OCIv1: { config: Record<string, unknown> };
  };
  const container = buildah("from", "made:1");
  const files = linesOf(buildah("mount", container));
  buildah("rm", container);
  return { config: OCIv1.config, files };
}

const found = readCases(readFileSync(FILE, "utf8"));
try {
  hand.sh("c save -o bb.tar bb:1");
  buildah("pull", "-q", `docker-archive:${join(hand.dir, "bb.tar")}`);
  buildah("tag", "docker.io/library/bb:1", "localhost/bb:1");
  const base = build(PLAIN).files;
  let differing = 0;
  const only = process.argv.slice(2).find((word) => !word.startsWith("--"));
  for (const each of found.cases) {
    if (only !== undefined && !each.name.includes(only) && each.answer.length > 0) continue;
    let answer: string[];
    try {
      const { config, files } = build(each);
      answer = answerOf(config, files, base);
    } catch (error) {
      answer = [`refused: ${String(error).split("\n").slice(1).join(" ").slice(0, 150)}`];
    }
    if (answer.join("\n") === each.answer.join("\n")) continue;
    differing++;
    process.stdout.write(`${each.name}\n${answer.map((line) => `  ${line}\n`).join("")}`);
    each.answer = answer;
  }
  process.stdout.write(`${found.cases.length} Dockerfiles, ${differing} answers changed\n`);
  if (process.argv.includes("--record")) writeFileSync(FILE, writeCases(found));
} finally {
  execFileSync("buildah", [...storage, "umount", "--all"], { stdio: "ignore" });
  execFileSync("buildah", [...storage, "rm", "--all"], { stdio: "ignore" });
  hand.close();
  rmSync(dir, { recursive: true, force: true });
}
