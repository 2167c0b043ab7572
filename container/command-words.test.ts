import { Command } from "commander";
import { expect, test } from "vitest";
import { flagsAsHere } from "./command-words.ts";

const command = new Command("run")
  .option("-i, --interactive")
  .option("--rm")
  .option("--no-cache")
  .option("-e, --env <pair>")
  .option("--network <name>");
const read = (text: string, stopsAtOperand = true) =>
  flagsAsHere(command, text.split(" "), { stopsAtOperand }).join(" ");

test("flags are read as Go's", () => {
  expect(read("--rm=true --no-cache=false -i=1 x")).toBe("--rm -i x");
  expect(read("-e=A=b --env=C=d --net=none --net none")).toBe(
    "-e A=b --env C=d --network none --network none",
  );
  expect(read("--rm=maybe --what=true")).toBe("--rm=maybe --what=true");
});

test("a flag's value and a program's words are none of the flags", () => {
  expect(read("-e --rm=true -ie --rm=true --env --net=x")).toBe(
    "-e --rm=true -ie --rm=true --env --net=x",
  );
  expect(read("--rm image --rm=true --net=x")).toBe("--rm image --rm=true --net=x");
  expect(read("image --rm=true -- --net=x", false)).toBe("image --rm -- --net=x");
});
