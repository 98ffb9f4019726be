export { Actors } from './actors.ts';
