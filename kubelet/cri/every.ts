import type {
  Container,
  ContainerStats,
  PodSandbox,
  PodSandboxMetrics,
} from "@raft2kube/proto/gen/cri.ts";
import { isUnimplemented, type Runtime } from "./runtime.ts";

type Options = { readonly signal?: AbortSignal };
type Of<Call extends keyof Runtime["runtime"]> = Pick<Runtime["runtime"], Call>;

/**
 * All sandboxes of the runtime, in as many messages as it takes: ended pods keep theirs, of which a
 * tenant may have thousands, with 16 KiB of annotations each. A runtime without streams answers
 * with one message, of 16 MiB at most (upstream).
 */
export async function* everySandbox(
  runtime: Of<"streamPodSandboxes" | "listPodSandbox">,
  options: Options = {},
): AsyncGenerator<PodSandbox> {
  try {
    for await (const { podSandboxes } of runtime.streamPodSandboxes({}, options)) {
      yield* podSandboxes;
    }
  } catch (thrown) {
    if (!isUnimplemented(thrown)) throw thrown;
    yield* (await runtime.listPodSandbox({}, options)).items;
  }
}

/** All containers of the runtime, as `everySandbox`: an ended pod keeps one of each name. */
export async function* everyContainer(
  runtime: Of<"streamContainers" | "listContainers">,
  options: Options = {},
): AsyncGenerator<Container> {
  try {
    for await (const { containers } of runtime.streamContainers({}, options)) yield* containers;
  } catch (thrown) {
    if (!isUnimplemented(thrown)) throw thrown;
    yield* (await runtime.listContainers({}, options)).containers;
  }
}

/** Statistics of all containers, ended ones too, as `everySandbox`. */
export async function* everyContainerStats(
  runtime: Of<"streamContainerStats" | "listContainerStats">,
): AsyncGenerator<ContainerStats> {
  try {
    for await (const piece of runtime.streamContainerStats({})) yield* piece.containerStats;
  } catch (thrown) {
    if (!isUnimplemented(thrown)) throw thrown;
    yield* (await runtime.listContainerStats({})).stats;
  }
}

/** Metrics of all ready sandboxes and their containers, as `everySandbox`. */
export async function* everySandboxMetrics(
  runtime: Of<"streamPodSandboxMetrics" | "listPodSandboxMetrics">,
): AsyncGenerator<PodSandboxMetrics> {
  try {
    for await (const piece of runtime.streamPodSandboxMetrics({})) yield* piece.podSandboxMetrics;
  } catch (thrown) {
    if (!isUnimplemented(thrown)) throw thrown;
    yield* (await runtime.listPodSandboxMetrics({})).podMetrics;
  }
}
