import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { PULLED_CREDENTIALS_MAX, PULLED_REPOSITORIES_MAX, PULLS_CUT_SHORT_MAX } from "../limits.ts";
import { credentialsFor, type PullCredential } from "./credentials.ts";
import { PulledImages } from "./pulled-images.ts";

const IMAGE = "r.example/private:1";
const ID = `sha256:${"1".repeat(64)}`;
let directory: string;
beforeEach(() => {
  directory = testFolder("r2k-pulled-");
});

const credential = (uid: string, password: string): PullCredential => {
  const auths = { "r.example": { username: "u", password } };
  const data = Buffer.from(JSON.stringify({ auths })).toString("base64");
  const metadata = { uid, namespace: "ns", name: `secret-${uid}` };
  return credentialsFor(IMAGE, [{ metadata, data: { ".dockerconfigjson": data } }])[0]!;
};
const pull = async (images: PulledImages, by?: PullCredential, image = IMAGE, names = [image]) => {
  await images.intend(image);
  await images.pulled(image, { imageRef: ID, names }, by, new Set([ID]));
};
const must = (images: PulledImages, own: PullCredential[] = [], image = IMAGE) =>
  images.mustPull(image, ID, () => Promise.resolve(own));

test("an image that a secret pulled is for pods with that secret or credential", async () => {
  const images = await PulledImages.open(directory);
  expect(await must(images)).toBe(false);
  await pull(images, credential("a", "right"));
  for (const after of [images, await PulledImages.open(directory)]) {
    expect(await must(after)).toBe(true);
    expect(await must(after, [credential("b", "other")])).toBe(true);
    expect(await must(after, [credential("b", "right")])).toBe(false);
    // Its content has changed since.
    expect(await must(after, [credential("a", "other")])).toBe(false);
    // The same content by another name: it may be private there.
    expect(await must(after, [], "r.example/other:1")).toBe(true);
    expect(await must(after, [credential("b", "right")], "r.example/private:2")).toBe(false);
  }
});

test("an image that was here before there were records is preloaded: for all", async () => {
  // Upstream's NeverVerifyPreloadedImages: a kubelet that is upgraded knows of no pull before.
  for (const images of [await PulledImages.open(directory), await PulledImages.open(directory)]) {
    expect(await must(images)).toBe(false);
    expect(await must(images, [credential("a", "wrong")])).toBe(false);
  }
  // A pull by this kubelet ends that, for every name of the image.
  const images = await PulledImages.open(directory);
  await pull(images, credential("a", "right"));
  expect(await must(images)).toBe(true);
  expect(await must(images, [], "r.example/loaded:1")).toBe(true);
});

test("a preloaded image that a pod pulls by another name stays one for all by its own", async () => {
  const images = await PulledImages.open(directory);
  const [own, other] = ["docker.io/library/web:1", "evil.example/web:1"];
  await images.intend("r.example/under-way:1");
  await pull(images, credential("a", "right"), other, [own, other, "r.example/under-way:1"]);
  for (const after of [images, await PulledImages.open(directory)]) {
    expect(await must(after, [], own)).toBe(false);
    expect(await must(after, [], "web:1")).toBe(false);
    expect(await must(after, [], other)).toBe(true);
    expect(await must(after, [], "r.example/under-way:1")).toBe(true);
  }
});

test("an image that anyone can pull is for all", async () => {
  const images = await PulledImages.open(directory);
  await pull(images, credential("a", "right"));
  await pull(images);
  await pull(images, credential("b", "other"));
  expect(await must(await PulledImages.open(directory))).toBe(false);
});

test("an image of an interrupted pull is not for all pods", async () => {
  const images = await PulledImages.open(directory);
  await images.intend(IMAGE);
  expect(await must(await PulledImages.open(directory))).toBe(true);
  await images.failed(IMAGE, true);
  expect(await must(images)).toBe(true);
  expect(await must(await PulledImages.open(directory))).toBe(true);
  await pull(images);
  expect(await must(images)).toBe(false);
  expect(readdirSync(path.join(directory, "pulling"))).toEqual([]);
});

test("an interrupted pull, which any pod may have, leaves a preloaded image of its name to all", async () => {
  const images = await PulledImages.open(directory);
  await images.intend(IMAGE, ID);
  await images.intend(IMAGE, ID);
  expect(await must(images)).toBe(false);
  await images.failed(IMAGE, true);
  await images.failed(IMAGE, true);
  const other = `sha256:${"2".repeat(64)}`;
  for (const after of [images, await PulledImages.open(directory)]) {
    expect(await must(after)).toBe(false);
    // An image that the interrupted pull brought after all is not preloaded.
    expect(await after.mustPull(IMAGE, other, () => Promise.resolve([]))).toBe(true);
    await after.intend(IMAGE, other);
    expect(await after.mustPull(IMAGE, other, () => Promise.resolve([]))).toBe(true);
  }
});

test("a failed pull changes nothing for an image that was present before", async () => {
  const images = await PulledImages.open(directory);
  await images.intend(IMAGE);
  await images.intend(IMAGE);
  await images.failed(IMAGE, false);
  expect(await must(images)).toBe(true);
  await images.failed(IMAGE, false);
  expect(await must(images)).toBe(false);
});

test("no password is on disk; a damaged record makes every pod pull", async () => {
  const images = await PulledImages.open(directory);
  await pull(images, credential("a", "a-long-password"));
  const [name] = readdirSync(path.join(directory, "pulled"));
  const file = path.join(directory, "pulled", name!);
  expect(readFileSync(file, "utf8")).not.toContain("a-long-password");
  writeFileSync(file, "{");
  const after = await PulledImages.open(directory);
  expect(await must(after, [credential("a", "a-long-password")])).toBe(true);
  await pull(after);
  expect(await must(await PulledImages.open(directory))).toBe(false);
});

test("records are bounded", async () => {
  const images = await PulledImages.open(directory);
  for (let i = 0; i <= PULLED_CREDENTIALS_MAX; i++) await pull(images, credential(`${i}`, `${i}`));
  expect(await must(images, [credential("0", "0")])).toBe(true);
  expect(await must(images, [credential("1", "1")])).toBe(false);
  const other = `sha256:${"2".repeat(64)}`;
  const of = { imageRef: other, names: [] };
  await images.pulled("r.example/x:1", of, undefined, new Set([other]));
  expect(readdirSync(path.join(directory, "pulled"))).toHaveLength(1);
  for (let i = 0; i <= PULLS_CUT_SHORT_MAX; i++) {
    await images.intend(`r.example/${i}:1`);
    await images.failed(`r.example/${i}:1`, true);
  }
  expect(readdirSync(path.join(directory, "pulling"))).toHaveLength(PULLS_CUT_SHORT_MAX);
});

test("of an image that has many names the first are recorded", async () => {
  const images = await PulledImages.open(directory);
  const names = Array.from({ length: PULLED_REPOSITORIES_MAX }, (_, at) => `r.example/${at}:1`);
  await pull(images, undefined, names[0], names);
  await pull(images, undefined, "r.example/one-more:1");
  expect(await must(images, [], names.at(-1))).toBe(false);
  expect(await must(images, [], "r.example/one-more:1")).toBe(true);
});

test.each(["null", "5", '{"auths": 5}', '{"auths": {"r.example": null}}', '{"auths": [1]}'])(
  "the pull secret %s gives no credential",
  (text) => {
    const data = { ".dockerconfigjson": Buffer.from(text).toString("base64") };
    expect(credentialsFor(IMAGE, [{ metadata: {}, data }])).toEqual([]);
  },
);
