import { expect, test } from "vitest";
import { IMAGE_VOLUMES_MAX } from "../limits.ts";
import { anonymousVolume, imageVolumes } from "./mounts.ts";
import { chosenPorts, exposedPorts, portsOf } from "./ports.ts";

test.each(["/:/host", "/etc:/host:rw", "/"])(
  "an image's volume %s mounts nothing of the host",
  (place) => {
    if (place === "/") return expect(() => anonymousVolume(place)).toThrow("no place");
    expect(anonymousVolume(place)).toEqual({
      type: "volume",
      destination: place,
      isReadOnly: false,
      isAnonymous: true,
      copies: true,
    });
  },
);

test("an image's ports choose none of the host", () => {
  expect(exposedPorts({ ExposedPorts: { "80-81/udp": {}, "22": {} } })).toMatchObject([
    { hostPort: 0, containerPort: 22, protocol: "tcp" },
    { hostPort: 0, containerPort: 80, protocol: "udp" },
    { hostPort: 0, containerPort: 81 },
  ]);
  for (const port of ["22:22/tcp", "0.0.0.0:22:22", ":22"]) {
    expect(() => exposedPorts({ ExposedPorts: { [port]: {} } })).toThrow("no port");
  }
});

test("an image has no more ports and volumes than others can wait for", () => {
  const ranges = ["1-500", "501-1000/udp", "1001"];
  const exposed = (count: number) =>
    exposedPorts({
      ExposedPorts: Object.fromEntries(ranges.slice(0, count).map((at) => [at, {}])),
    });
  expect(exposed(2)).toHaveLength(1_000);
  expect(() => exposed(3)).toThrow("an image has 1000 at most");
  const volumes = (count: number) =>
    imageVolumes({
      Volumes: Object.fromEntries(Array.from({ length: count }, (_, i) => [`/${i}`, {}])),
    });
  expect(volumes(IMAGE_VOLUMES_MAX)).toHaveLength(IMAGE_VOLUMES_MAX);
  expect(() => volumes(IMAGE_VOLUMES_MAX + 1)).toThrow("101 volumes");
});

test("the last port of the host is found, and none that a container has", () => {
  const all = Array.from({ length: 28_232 }, (_, at) => ({ hostPort: 32_768 + at }));
  const others = all.toSpliced(7_000, 1);
  const named = portsOf("8080:80");
  const chosen = chosenPorts([...named, ...portsOf("80")], others);
  expect(chosen).toMatchObject([...named, { hostPort: 39_768 }]);
  expect(() => chosenPorts(portsOf("80-81"), others)).toThrow("all ports");
});
