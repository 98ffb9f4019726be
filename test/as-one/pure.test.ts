import { asOne } from './groups.ts';

asOne('pure');
