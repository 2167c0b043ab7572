import { expect, it } from "vitest";
import { isSound } from "./progress-proof.ts";

it("believes progress notices from the releases on that have no known fault", () => {
  const sound = ["3.4.31", "3.5.13", "3.6.0", "3.6.0-rc.1", "4.0.0"];
  const faulty = ["3.3.99", "3.4.30", "3.5.12", "", "unknown"];
  expect(sound.filter((version) => !isSound(version))).toEqual([]);
  expect(faulty.filter(isSound)).toEqual([]);
});
