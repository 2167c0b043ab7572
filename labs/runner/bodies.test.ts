import { expect, it } from "vitest";
import { bodiesOfCheck } from "./bodies.ts";
import { findLab } from "./manifest.ts";

it("of the bodies of one hint a check judges those whose mistakes it catches", () => {
  const lab = findLab("7c");
  const bodies = (title: string) => bodiesOfCheck(lab, title);
  expect(bodies("kind: defaults fill absent fields, and no others")).toEqual(["fillDefaults"]);
  expect(bodies("kind: the columns that kubectl prints")).toEqual(["nameCell"]);
  expect(bodies("kubectl: the kind of this check is in no mistake")).toContain("validateUpdate");
});
