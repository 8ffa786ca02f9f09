"""The tables of the documentation: each public function of a module here returns one."""
