import { describe, expect, it } from "vitest";
import {
  configKey,
  dns1035Label,
  dnsLabel,
  dnsSubdomain,
  envVarName,
  labelValue,
  pathSegment,
  portName,
  qualifiedName,
  type TextRule,
} from "./names.ts";

const RULES: readonly (readonly [string, TextRule, readonly string[], readonly string[]])[] = [
  ["dnsLabel", dnsLabel, ["a", "a-1", "1a"], ["", "A", "-a", "a-", "a.b", "a".repeat(64)]],
  ["dnsSubdomain", dnsSubdomain, ["a", "a.b-c.1"], ["", "a..b", "a_b", ".a", "a".repeat(254)]],
  ["dns1035Label", dns1035Label, ["a", "a-1"], ["1a", "a.b", ""]],
  ["qualifiedName", qualifiedName, ["a", "A_b.c", "x.io/Y"], ["", "/a", "a/", "a/b/c", "X.io/y"]],
  ["labelValue", labelValue, ["", "A_b.c"], ["-", "a b", "a".repeat(64)]],
  ["portName", portName, ["http", "a-1"], ["", "1", "a--b", "-a", "HTTP", "a".repeat(16)]],
  ["configKey", configKey, ["a", "_A.b-c", ".x"], ["", "..", ".", "..a", "a/b"]],
  ["envVarName", envVarName, ["A", "my.var", "1 2"], ["", "a=b", "a\u00e9"]],
  ["pathSegment", pathSegment, ["system:node", "A b"], [".", "..", "a/b", "a%b"]],
];

describe.each(RULES)("%s", (_name, rule, right, wrong) => {
  it.each(right)("accepts %j", (text) => {
    expect(rule(text)).toEqual([]);
  });

  it.each(wrong)("refuses %j", (text) => {
    expect(rule(text)).not.toEqual([]);
  });
});
