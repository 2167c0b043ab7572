import { expect, test } from "vitest";
import { messageOfField } from "../../../errors.ts";
import type { Volume } from "../../../gen/core/v1.ts";
import { validateVolumes } from "./validate-volumes.ts";

test.each([
  ["Never", []],
  ["", ["[0].image.pullPolicy: Required value"]],
  ["No", [expect.stringContaining('[0].image.pullPolicy: Unsupported value: "No"')]],
])("a volume with an image has a known pull policy, in templates too: %j", (pullPolicy, said) => {
  const volume = { name: "v", image: { reference: "web:1", pullPolicy } } as Volume;
  expect(validateVolumes([volume], "", undefined).errors.map(messageOfField)).toEqual(said);
});
