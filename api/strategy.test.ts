import { expect, it, onTestFinished, vi } from "vitest";
import { type FieldError, invalid } from "./errors.ts";
import { newFindings } from "./strategy.ts";

const wrong = (value: string): FieldError => invalid("spec.name", value, "must be short");
const rules = (values: string[]) => values.map(wrong);

it("findings that the former object has too refuse no update, each once", () => {
  expect(newFindings(rules, ["a", "a", "b"], ["a", "c"])).toEqual([wrong("a"), wrong("b")]);
});

it("findings are not written out where the former object has none", () => {
  const stringify = vi.spyOn(JSON, "stringify");
  onTestFinished(() => stringify.mockRestore());
  expect(newFindings(rules, ["a", "b"], [])).toHaveLength(2);
  expect(stringify).not.toHaveBeenCalled();
});
