import { expect, it } from "vitest";
import { REQUEST_SELECTOR_CHARS_MAX, REQUEST_SELECTOR_TERMS_MAX } from "../limits.ts";
import { readSelectors } from "./selection.ts";

const terms = (count: number, term: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => term(at)).join();

it.each([
  ["label", (at: number) => `!k${at}`],
  ["field", (at: number) => `metadata.name!=n${at}`],
])("a %s selector of a request has a bound of terms and characters", (which, term) => {
  const read = (text: string) =>
    readSelectors({
      labelSelector: which === "label" ? text : "",
      fieldSelector: which === "field" ? text : "",
    });
  const { labels, fields } = read(terms(REQUEST_SELECTOR_TERMS_MAX, term));
  expect(labels.length + fields.length).toBe(REQUEST_SELECTOR_TERMS_MAX);
  const refused = { http: 400, message: expect.stringMatching(`the ${which} selector`) as string };
  for (const text of [
    terms(REQUEST_SELECTOR_TERMS_MAX + 1, term),
    `${term(1)}${" ".repeat(REQUEST_SELECTOR_CHARS_MAX)}`,
  ]) {
    expect(() => read(text)).toThrow(expect.objectContaining(refused) as Error);
  }
});
