import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { check } from "../check.ts";
import { tablesOf } from "../clauses.ts";
import { judge } from "../judge.ts";
import { LoneMember, OBSERVATIONS } from "./lone-member.ts";

/** A step of a rule and its expectation. Without `given` the member of the rule before goes on. */
interface Rule {
  /** The member's state on disk: `term 2 log 1,1,2`. */
  readonly given?: string;
  /** Steps whose output is not looked at, between bars. */
  readonly first?: string;
  /** Steps whose output is looked at. */
  readonly do?: string;
  readonly when: string;
  /** Observations with their values, between bars: `role follower | sent vote to 2 3`. */
  readonly see: string;
  /** The expectation in words, where `see` does not explain itself. */
  readonly expected?: string;
  readonly why: string;
  readonly body?: string;
  /** Rows to judge the rule with: $1 is a row's first value, and so on. */
  readonly each?: readonly (readonly unknown[])[];
}

const KEYS = new Set(["given", "first", "do", "when", "see", "expected", "why", "body", "each"]);

/** The rules in the file beside a check file, by the titles of their checks. */
function readRules(filename: string): Record<string, Rule[]> {
  const file = tablesOf(filename);
  const rules = parse(readFileSync(file, "utf8")) as Record<string, Rule[]>;
  for (const [title, steps] of Object.entries(rules)) {
    const unknown = steps.flatMap((step) => Object.keys(step)).filter((key) => !KEYS.has(key));
    if (unknown.length > 0) throw new RangeError(`${file}: ${title}: unknown key ${unknown[0]}`);
  }
  return rules;
}

/**
 * Registers the checks of the rules beside a check file: each drives member 1 alone by the steps of
 * its script, and compares what is observed. LoneMember has the steps and the observations.
 */
export function checkRules({ filename }: Pick<ImportMeta, "filename">): void {
  for (const [title, rules] of Object.entries(readRules(filename))) {
    check(title, () => judgeRules(rules));
  }
}

/** Throws the judgement of the first rule that does not hold. */
export function judgeRules(rules: readonly Rule[]): void {
  let member = new LoneMember("");
  for (const { each = [[]], ...rule } of rules) {
    for (const row of each) {
      const filled = withRow(rule, row);
      if (filled.given !== undefined) member = new LoneMember(filled.given);
      judgeRule(member, filled);
    }
  }
}

function withRow(rule: Rule, row: readonly unknown[]): Rule {
  const text = (value: string) => value.replaceAll(/\$(\d)/g, (_, at) => String(row[at - 1]));
  return Object.fromEntries(
    Object.entries(rule).map(([key, value]) => [key, text(value)]),
  ) as never;
}

const parts = (text = "") => text.split("|").flatMap((part) => part.trim() || []);

function judgeRule(member: LoneMember, rule: Rule): void {
  for (const step of parts(rule.first)) member.take(step);
  if (rule.first !== undefined || rule.do !== undefined) member.forget();
  for (const step of parts(rule.do)) member.take(step);
  const seen = parts(rule.see).map((part) => observed(member, part));
  const wrong = seen.filter(({ happened, expected }) => happened !== expected);
  const words = (side: "happened" | "expected") => {
    return seen.map((each) => `${each.name} ${each[side]}`).join(", ");
  };
  judge(wrong.length === 0, {
    when: rule.when,
    expected: words("expected") + (rule.expected === undefined ? "" : ` (${rule.expected})`),
    happened: words("happened"),
    why: rule.why,
    body: rule.body,
    steps: member.script.join(" | "),
  });
}

/** An observation with its argument, the value that is expected, and that which is there. */
function observed(member: LoneMember, text: string) {
  const [verb = "", ...words] = text.split(" ");
  const observe = OBSERVATIONS[verb];
  if (!observe) throw new RangeError(`unknown observation: ${text}`);
  // An observation of two parameters has an argument before the value.
  const about = observe.length > 1 ? words.shift()! : "";
  if (words.length === 0) throw new RangeError(`no value: ${text}`);
  const happened = observe(member, about) || "none";
  return { name: [verb, about].filter(Boolean).join(" "), happened, expected: words.join(" ") };
}
