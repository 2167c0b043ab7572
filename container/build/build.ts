import type { NamedImage } from "@raft2kube/runtime/image/store.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { fetchImage } from "../engine/images.ts";
import type { Builder } from "./builder.ts";
import { contextOf } from "./context.ts";
import { createdOf, type Draft, draftOf, emptyDraft, storeImage } from "./image.ts";
import { applyInstruction } from "./instruction.ts";
import { badLine, type Instruction, parseDockerfile, parseInstruction } from "./parse.ts";
import { progressOf } from "./progress.ts";
import { DEFAULT_PATH } from "./run-step.ts";
import { type BuildOptions, keyOf, type StageState } from "./stage.ts";
import {
  type BuildArguments,
  findStage,
  type Plan,
  PROXY_ARGUMENTS,
  planStages,
  type Stage,
} from "./stages.ts";

/** A build that is asked for. */
export interface BuildWish extends BuildOptions {
  /** A folder. */
  context: string;
  /** The Dockerfile's place, where it has one. */
  file?: string | undefined;
  /** The Dockerfile's text. */
  dockerfile: string;
  names: readonly string[];
  target?: string | undefined;
  /** `quiet`, or any other word. */
  progress: string;
  pull: boolean;
}

/** Builds the stage that is wanted, with those that it needs, and names its image. */
export async function buildImage(builder: Builder, wish: BuildWish): Promise<NamedImage> {
  const instructions = parseDockerfile(wish.dockerfile);
  const plan = planStages(instructions, wish);
  warnOfUnused(instructions, wish.buildArgs);
  const { draft } = await stagesOf(builder, wish, plan)(plan.target);
  const created = createdOf(draft, wish, builder.host.clock);
  const Labels = { ...draft.defaults.Labels, ...wish.labels };
  const defaults = { ...draft.defaults, ...(Object.keys(Labels).length > 0 && { Labels }) };
  return storeImage(builder.images, { ...draft, defaults }, { names: wish.names, created });
}

/** Names the arguments of the command line that no ARG takes. */
function warnOfUnused(instructions: readonly Instruction[], buildArgs: BuildArguments): void {
  const taken = instructions
    .filter(({ name }) => name === "ARG")
    .flatMap(({ text }) => text.match(/[A-Za-z_]\w*/g) ?? []);
  const unused = Object.keys(buildArgs).filter(
    (name) => !taken.includes(name) && !PROXY_ARGUMENTS.has(name),
  );
  if (unused.length === 0) return;
  const names = printable(unused.join(", "));
  process.stderr.write(`[Warning] One or more build-args [${names}] were not consumed\n`);
}

const titleOf = ({ name, index }: Pick<Stage, "name" | "index">) => name ?? `stage-${index}`;

/** The stages that one takes files from, which need not wait for each other. */
const neededBy = ({ instructions, index }: Stage, { stages }: Plan): number[] =>
  instructions
    .filter(({ name }) => name === "COPY")
    .flatMap(({ flags }) => flags.get("from")?.at(-1) ?? [])
    .flatMap((from) => findStage(stages, from, index) ?? []);

/**
 * Returns what builds a stage of a plan: each once, those that do not need each other at the same
 * time.
 */
function stagesOf(builder: Builder, wish: BuildWish, plan: Plan) {
  const { signal } = builder;
  const context = contextOf(wish.context, wish.file);
  const stepOf = progressOf(wish.progress, builder.host.clock);
  const stages = new Map<number, Promise<StageState>>();

  function stage(index: number): Promise<StageState> {
    const found = stages.get(index);
    if (found) return found;
    const building = build(plan.stages[index]!);
    // Another stage may fail before anyone waits for this one.
    building.catch(() => undefined);
    stages.set(index, building);
    return building;
  }

  async function imageNamed(name: string): Promise<NamedImage> {
    const found = wish.pull ? undefined : builder.images.find(name);
    return found ?? fetchImage(builder, name, { signal });
  }

  async function draftNamed(name: string, before: number): Promise<{ draft: Draft; key: string }> {
    const index = findStage(plan.stages, name, before);
    if (index !== undefined) return stage(index);
    const image = await imageNamed(name);
    return { draft: draftOf(image), key: image.id };
  }

  async function baseOf({ base, from, ...stageOf }: Stage): Promise<{ draft: Draft; key: string }> {
    if (typeof base !== "string") return stage(base.stage);
    if (base === "scratch") {
      const defaults = { Env: [`PATH=${DEFAULT_PATH}`] };
      return { draft: { ...emptyDraft(), defaults }, key: keyOf("scratch") };
    }
    const step = stepOf(`[${titleOf(stageOf)} 1] FROM ${base}`);
    const image = await imageNamed(base).catch((error: unknown) => {
      step.done("ERROR");
      throw error;
    });
    step.done("DONE");
    if (image.config.os && image.config.os !== "linux") {
      throw badLine(from.line, `image ${base} is of ${image.config.os}`);
    }
    return { draft: draftOf(image), key: keyOf("image", image.id) };
  }

  async function build(own: Stage): Promise<StageState> {
    const { draft, key } = await baseOf(own);
    for (const index of neededBy(own, plan)) void stage(index);
    const { OnBuild = [], ...defaults } = draft.defaults;
    const { line } = own.from;
    const inherited = OnBuild.map((text) => parseInstruction(text, line));
    const all = [...inherited, ...own.instructions];
    const start = { wasCached: true, args: new Map<string, string>(), setsCmd: false };
    let state: StageState = { key, ...start, draft: { ...draft, defaults } };
    for (const [at, instruction] of all.entries()) {
      signal.throwIfAborted();
      const place = `${titleOf(own)} ${at + 2}/${all.length + 1}`;
      const progress = stepOf(`[${place}] ${instruction.name} ${instruction.text}`);
      const sources = { context, draftNamed };
      const { globals } = plan;
      const doing = { builder, options: wish, sources, state, stage: own, globals, progress };
      state = await applyInstruction({ ...doing, instruction });
    }
    return state;
  }

  return stage;
}
