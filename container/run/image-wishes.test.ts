import { expect, test } from "vitest";
import { anonymousVolume } from "./mounts.ts";
import { exposedPorts } from "./ports.ts";

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
