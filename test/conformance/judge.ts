import type { Outcome } from "./record.ts";

/** The record of one test, or of the suite's setup, in ginkgo's report (`--ginkgo.json-report`). */
interface SpecReport {
  readonly LeafNodeType: string;
  readonly State: string;
  readonly Failure?: { readonly Message?: string };
}

export interface Verdict {
  readonly outcome: Outcome;
  /** The first lines of the failure. */
  readonly message: string;
}

const LINES_MAX = 6;
const CHARACTERS_MAX = 600;

/**
 * Finds the result of the one test that a process of e2e.test ran. Tests that were not selected
 * are `skipped` without a message; one that left itself out has one.
 */
export function judge(report: string): Verdict {
  const suites = JSON.parse(report) as readonly { SpecReports: readonly SpecReport[] }[];
  const specs = suites.flatMap((suite) => suite.SpecReports);
  const ran = specs.find((spec) => spec.LeafNodeType === "It" && wasSelected(spec));
  const setup = specs.find((spec) => spec.LeafNodeType !== "It" && spec.State !== "passed");
  if (ran) return { outcome: outcomeOf(ran.State), message: firstLines(ran) };
  if (setup) return { outcome: "failed", message: `${setup.LeafNodeType}: ${firstLines(setup)}` };
  return { outcome: "lost", message: "e2e.test has no test of this name" };
}

function wasSelected({ State, Failure }: SpecReport): boolean {
  return State === "skipped" ? (Failure?.Message ?? "") !== "" : State !== "pending";
}

function outcomeOf(state: string): Outcome {
  if (state === "passed" || state === "skipped") return state;
  return state === "timedout" || state === "interrupted" ? "timeout" : "failed";
}

function firstLines({ Failure }: SpecReport): string {
  const lines = (Failure?.Message ?? "").split("\n").map((line) => line.trim());
  const reasons = lines.filter((line) => line !== "").slice(0, LINES_MAX);
  return reasons.join(" | ").slice(0, CHARACTERS_MAX);
}
