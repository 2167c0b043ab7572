import { expect, test } from "vitest";
import { IMAGE_PROCESS_BYTES_MAX, JSON_VALUES_MAX } from "../limits.ts";
import { parseImageConfig } from "./config.ts";
import { choosePlatform, parseManifest } from "./manifest.ts";

const digest = `sha256:${"a".repeat(64)}`;
const descriptor = { mediaType: "x", digest, size: 1 };
const manifest = { schemaVersion: 2, config: descriptor, layers: [descriptor] };
const rootfs = { type: "layers", diff_ids: [digest] };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const refusal = (text: RegExp) => ({
  code: "invalid-argument",
  message: expect.stringMatching(text) as string,
});
function thrown(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

test.each([
  ["User", {}],
  ["User", 1000],
  ["User", ["root"]],
  ["User", "a\0b"],
  ["User", "99999999999999999999"],
  ["User", "0:4294967296"],
  ["StopSignal", 5],
  ["WorkingDir", ["/"]],
  ["WorkingDir", "tmp"],
  ["Env", "PATH=/bin"],
  ["Env", { PATH: "/bin" }],
  ["Env", [5]],
  ["Env", ["A=b\0C=d"]],
  ["Entrypoint", "/bin/sh"],
  ["Entrypoint", [["sh"]]],
  ["Cmd", [null]],
  ["Labels", { a: 1 }],
  ["Labels", ["a"]],
  ["Healthcheck", { Interval: 1 }],
  ["Healthcheck", { Timeout: -1 }],
  ["Healthcheck", { StartPeriod: 1e6 + 0.5 }],
  ["Healthcheck", { Retries: -1 }],
])("an image whose config has the %s %j is refused by name", (name, value) => {
  const config = json({ rootfs, config: { [name]: value } });
  expect(thrown(() => parseImageConfig(config, 1))).toMatchObject(refusal(new RegExp(name)));
});

test.each([
  [5, /the config is not an object/],
  [[], /the config is not an object/],
  [{}, /1 layers and 0 diff_ids/],
  [{ rootfs: 5 }, /rootfs is not an object/],
  [{ rootfs: { diff_ids: digest } }, /diff_ids is not a list/],
  [{ rootfs: { diff_ids: ["sha256:../../x"] } }, /no good diff_ids/],
  [{ rootfs: { diff_ids: [digest, digest] } }, /1 layers and 2 diff_ids/],
  [{ rootfs, config: "x" }, /config is not an object/],
  [{ rootfs, architecture: {} }, /architecture is not a text/],
])("the config %j is refused", (config, text) => {
  expect(thrown(() => parseImageConfig(json(config), 1))).toMatchObject(refusal(text));
});

test("a document of more values than an image needs is not parsed", () => {
  const names = Object.fromEntries(
    Array.from({ length: JSON_VALUES_MAX / 2 }, (_, at) => [at, ""]),
  );
  const more = refusal(/more than 20000 values/);
  const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations: names }] };
  expect(thrown(() => parseManifest(json(index)))).toMatchObject(more);
  expect(thrown(() => parseManifest(Buffer.from("[".repeat(50_000))))).toMatchObject(more);
  const config = json({ rootfs, config: { Labels: names } });
  expect(thrown(() => parseImageConfig(config, 1))).toMatchObject(more);
});

test("Go's nulls are fields that are not there, and unknown fields are left out", () => {
  const config = { User: "web:7", Env: null, Cmd: ["a"], Entrypoint: null, Labels: null, Foo: 5 };
  expect(parseImageConfig(json({ rootfs, os: "linux", config, history: 5 }), 1)).toEqual({
    architecture: "",
    os: "linux",
    config: { User: "web:7", Cmd: ["a"] },
    rootfs,
  });
});

test("fields that every object has are not taken for the image's", () => {
  const config = Buffer.from(`{"rootfs":{"diff_ids":["${digest}"]},"__proto__":{"config":{}}}`);
  expect(parseImageConfig(config, 1).config).toBeUndefined();
});

test.each([
  { Cmd: ["a".repeat(IMAGE_PROCESS_BYTES_MAX)] },
  { Entrypoint: ["a"], Env: Array.from({ length: 12_000 }, (_, at) => `A${at}=${at}`) },
  { WorkingDir: `/${"a".repeat(IMAGE_PROCESS_BYTES_MAX)}` },
])("what each container's config.json has of an image is bounded", (config) => {
  const bytes = json({ rootfs, config });
  expect(thrown(() => parseImageConfig(bytes, 1))).toMatchObject(refusal(/bytes, more than/));
});

test.each([
  ["hello", /not JSON/],
  [null, /not an object/],
  [{ ...manifest, schemaVersion: 1 }, /schemaVersion is not 2/],
  [{ ...manifest, layers: {} }, /layers is not a list/],
  [{ ...manifest, layers: [null] }, /a layer is not an object/],
  [{ ...manifest, layers: Array.from({ length: 128 }, () => descriptor) }, /128 layers/],
  [{ ...manifest, config: undefined }, /config is not an object/],
  [{ ...manifest, config: { ...descriptor, digest: "sha256:../../x" } }, /no good digest/],
  [{ ...manifest, config: { ...descriptor, size: -1 } }, /no good size/],
  [{ ...manifest, config: { ...descriptor, size: 1e300 } }, /no good size/],
  [{ ...manifest, config: { ...descriptor, size: "1" } }, /no good size/],
  [{ ...manifest, config: { ...descriptor, mediaType: {} } }, /mediaType is not a text/],
  [{ ...manifest, manifests: [] }, /an index and a manifest/],
  [{ schemaVersion: 2, manifests: [], config: descriptor }, /an index and a manifest/],
  [{ schemaVersion: 2, manifests: [{ ...descriptor, platform: "linux" }] }, /platform/],
  [{ schemaVersion: 2, manifests: [{ ...descriptor, platform: { os: 5 } }] }, /os is not a text/],
  [{ schemaVersion: 2, manifests: [{ ...descriptor, annotations: { a: {} } }] }, /annotations/],
])("the manifest %j is refused", (value, text) => {
  const bytes = value === "hello" ? Buffer.from(value) : json(value);
  expect(thrown(() => parseManifest(bytes))).toMatchObject(refusal(text));
});

test("an index without this platform is refused with a short list of its platforms", () => {
  const entry = { ...descriptor, platform: { os: "o".repeat(1e5), architecture: "a" } };
  const index = { schemaVersion: 2, manifests: Array.from({ length: 1_000 }, () => entry) };
  const parsed = parseManifest(json(index));
  const error = thrown(() => parsed.kind === "index" && choosePlatform(parsed.index)) as Error;
  expect(error.message).toMatch(/^no image for \w+\/\w+, there is o+/);
  expect(error.message.length).toBeLessThan(1_000);
});

test.each([
  ["amd64", ["amd64/v3", "386", "amd64"], "amd64"],
  ["amd64", ["386", "amd64/v1"], "amd64/v1"],
  ["amd64", ["arm64", "386"], "386"],
  ["amd64", ["amd64/v2"], undefined],
  ["arm64", ["arm/v6", "arm/v7", "arm64/v9"], "arm/v7"],
  ["arm64", ["arm/v7", "arm64/v8"], "arm64/v8"],
  ["riscv64", ["amd64", "riscv64"], "riscv64"],
])("a machine of %s has of %j %s", (architecture, names, chosen) => {
  const manifests = names.map((name) => {
    const [arch = "", variant] = name.split("/");
    const platform = { os: "linux", architecture: arch, ...(variant && { variant }) };
    return { ...descriptor, platform };
  });
  const choose = () =>
    choosePlatform({ schemaVersion: 2, manifests }, { os: "linux", architecture });
  if (chosen === undefined) expect(choose).toThrow(/there is linux/);
  else expect(choose()).toBe(manifests[names.indexOf(chosen)]);
});
