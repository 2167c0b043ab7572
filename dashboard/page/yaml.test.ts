import { parseYaml } from "@raft2kube/apimachinery/decode/yaml-document.ts";
import { expect, it } from "vitest";
import { objectsIn, yamlOf } from "./yaml.ts";

const TEXTS = ["on", "y", "No", "1_000", "+1", "0_7", "0o7", "12:30", "2026-01-01", "~", "a: b"];

it("texts that YAML 1.1 reads as something else are texts to the API server", () => {
  const data = Object.fromEntries(TEXTS.map((text) => [text, text]));
  const object = { metadata: { name: "m", resourceVersion: "1" }, data };
  expect(parseYaml(Buffer.from(yamlOf(object))).value).toEqual(object);
  expect(objectsIn(yamlOf(object))).toEqual([object]);
});

it("a number that would be rounded is not edited", () => {
  const object = { metadata: { name: "m", resourceVersion: "1" }, spec: { big: 2 ** 53 } };
  expect(() => yamlOf(object)).toThrow(".spec.big has more digits");
});
