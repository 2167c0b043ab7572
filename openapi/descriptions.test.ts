import { hasStruct, structOf } from "@raft2kube/api/schema.ts";
import { describe, expect, it } from "vitest";
import { Descriptions, describedPackages, readTexts } from "./descriptions.ts";
import { definitionName, SPECIAL_NAMES } from "./names.ts";
import { parseTexts } from "./texts.ts";

const all = describedPackages().flatMap((from) =>
  [...readTexts(from)].map(([local, texts]) => ({ schema: `${from}.${local}`, texts })),
);

/** Values that are no structures, with their default descriptions. */
const VALUES = new Set(Object.keys(SPECIAL_NAMES).map((each) => `meta/v1.${each}`));
const structures = all.filter(({ schema }) => !VALUES.has(schema) && schema !== "meta/v1.TypeMeta");

describe("the texts", () => {
  it("describe structures and fields that are", () => {
    const stale = structures.flatMap(({ schema, texts }) => {
      if (!hasStruct(schema)) return [schema];
      const { fields, typeMeta } = structOf(schema);
      const known = (field: string) =>
        fields.has(field) || (typeMeta && ["apiVersion", "kind"].includes(field));
      return [...texts.fields.keys()]
        .filter((each) => !known(each))
        .map((each) => `${schema}.${each}`);
    });
    expect(stale).toEqual([]);
    expect(structures.length).toBeGreaterThan(480);
  });

  it("of a field are not those of its structure: kubectl shows the two one after the other", () => {
    const descriptions = new Descriptions();
    const echoes = structures.flatMap(({ schema }) =>
      [...structOf(schema).fields]
        .filter(([field, { shape, within }]) => {
          const inner = shape.is === "list" || shape.is === "map" ? shape.of : shape;
          return (
            inner.is === "struct" &&
            descriptions.ofStructure(structOf(inner.of).name) ===
              descriptions.ofField(schema, field, within)
          );
        })
        .map(([field]) => `${schema}.${field}`),
    );
    expect(echoes).toEqual([]);
  });

  it("are like structures that have texts", () => {
    const names = new Set(all.map(({ schema }) => schema));
    const lost = all.filter(({ texts }) => texts.like !== undefined && !names.has(texts.like));
    expect(lost.map(({ schema, texts }) => `${schema} like ${texts.like ?? ""}`)).toEqual([]);
  });

  it("are sentences: they begin with a capital or a name, and end with a stop", () => {
    const ends = /[^.,][.)]$/;
    const begins = /^([A-Z`/$]|kubernetes\.io|[a-z]+(\.|[A-Z]))/;
    const odd = all.flatMap(({ schema, texts }) =>
      [["", texts.own ?? "A."] as const, ...texts.fields]
        .filter(([, text]) => !begins.test(text) || !ends.test(text))
        .map(([field, text]) => `${schema}.${field}: ${text}`),
    );
    expect(odd).toEqual([]);
  });
});

describe("Descriptions", () => {
  const descriptions = new Descriptions();

  it("takes from a like structure what is not said of the structure itself", () => {
    const own = descriptions.ofField("core/v1.EphemeralContainer", "ports");
    expect(own).toMatch(/^Not allowed/);
    expect(descriptions.ofField("core/v1.EphemeralContainer", "tty")).toBe(
      descriptions.ofField("core/v1.Container", "tty"),
    );
  });

  it("asks inlined structures", () => {
    expect(descriptions.ofField("core/v1.Volume", "emptyDir")).toBeUndefined();
    expect(descriptions.ofField("core/v1.Volume", "emptyDir", ["VolumeSource"])).toMatch(
      /empty directory/,
    );
  });

  it("knows what all lists have", () => {
    expect(descriptions.ofStructure("core/v1.PodList")).toBe("A list of Pod objects.");
    expect(descriptions.ofField("core/v1.PodList", "items")).toBe("The objects of the list.");
    expect(definitionName("core/v1.PodList")).toBe("io.k8s.api.core.v1.PodList");
  });
});

describe("the form of a file", () => {
  const parse = (...lines: string[]) => parseTexts(lines.join("\n"), "core/v1");

  it("is headings, paragraphs and fields, which may go on in the next line", () => {
    const texts = parse(
      "# Title",
      "",
      "For people.",
      "",
      "## One",
      "",
      "What it",
      "is.",
      "",
      "- a: First",
      "  line.",
      "- b: Second.",
      "",
      "## Two (like One)",
      "## Three (like meta/v1.X)",
    );
    expect(texts).toEqual(
      new Map([
        [
          "One",
          {
            own: "What it is.",
            fields: new Map([
              ["a", "First line."],
              ["b", "Second."],
            ]),
          },
        ],
        ["Two", { like: "core/v1.One", fields: new Map() }],
        ["Three", { like: "meta/v1.X", fields: new Map() }],
      ]),
    );
  });

  it.each([
    ["a structure twice", ["## One", "## One"]],
    ["a field twice", ["## One", "- a: X.", "- a: Y."]],
    ["two paragraphs", ["## One", "", "What it is.", "", "More of it."]],
    ["a field without a text", ["## One", "- a"]],
    ["another heading", ["## One", "### Inner"]],
  ])("is not %s", (_, lines) => {
    expect(() => parse(...lines)).toThrow("core/v1.One");
  });
});
