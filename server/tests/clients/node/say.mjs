// How the programs beside this one tell what they saw.

import { inspect } from "node:util";

const plain = { depth: null, breakLength: Infinity, maxArrayLength: null, sorted: true };

export const say = (what, value) => console.log(`${what}: ${inspect(value, plain)}`);

export const sorted = (list) => [...list].sort();

// Tells the error that the call ends with.
export async function refused(what, call) {
  try {
    say(what, await call());
  } catch (error) {
    say(what, `${error.name} ${error.message}`);
  }
}

export async function part(run, ...args) {
  console.log(`-- ${run.name}`);
  await run(...args);
}
