import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hostOf } from "@raft2kube/cli/commands/container.ts";
import { buildImage } from "@raft2kube/container/build/build.ts";
import { withBuilder } from "@raft2kube/container/build/builder.ts";
import { draftOf } from "@raft2kube/container/build/image.ts";
import { withRootfs } from "@raft2kube/container/build/stage.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inTurn } from "../../../../testing/drawn.ts";
import { Hand } from "../hand.ts";
import { answerOf, type Case, linesOf, makeContext, PLAIN, readCases } from "./corpus.ts";

const FILE = join(import.meta.dirname, "dockerfiles.txt");
const { cases } = readCases(readFileSync(FILE, "utf8"));
const OPTIONS = {
  buildArgs: {},
  labels: {},
  noCache: false,
  network: "none",
  explain: false,
  epoch_ms: undefined,
};

let hand: Hand;
let base: readonly string[];
beforeAll(async () => {
  hand = new Hand();
  base = (await build(PLAIN)).files;
});
afterAll(() => hand.close());

async function build(wanted: Case) {
  const context = join(hand.dir, "case/context");
  mkdirSync(context, { recursive: true });
  makeContext(context, wanted);
  const host = await hostOf("default", { ...process.env, ...hand.environment });
  const { dockerfile } = wanted;
  const wish = { context, dockerfile, names: [], progress: "quiet", pull: false, ...OPTIONS };
  const limits = { signal: new AbortController().signal, memory_bytes: 2 ** 30, pids: 1_000 };
  return await withBuilder(host, limits, async (builder) => {
    const image = await buildImage(builder, wish);
    const files = await withRootfs(builder, draftOf(image), async (root) => linesOf(root));
    return { config: { ...image.config.config }, files };
  });
}

const alike = cases.filter(({ differs }) => differs === undefined);
test.each(inTurn("builds", alike, Math.ceil(alike.length / 4)))(
  "$name is built as buildah builds it",
  async (wanted) => {
    const { config, files } = await build(wanted);
    expect(answerOf(config, files, base)).toEqual(wanted.answer);
  },
);

const different = cases.filter(({ differs }) => differs !== undefined);
test.each(different)("$name is built in another way: $differs", async (wanted) => {
  const { config, files } = await build(wanted);
  expect(answerOf(config, files, base)).not.toEqual(wanted.answer);
});
